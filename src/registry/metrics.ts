/** Counts for Prometheus, in its text format 0.0.4. */
import type { Collected } from "./collect.ts";

/** Upper bounds in seconds. */
const BUCKETS = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60];

export interface Gauges {
  readonly uploads: number;
  readonly requests: number;
  readonly blobs: number;
  readonly blobBytes: number;
}

export class Metrics {
  readonly #requests = new Map<string, number>();
  readonly #durations: number[] = BUCKETS.map(() => 0);
  #durationSum = 0;
  #durationCount = 0;
  #bytesIn = 0;
  #bytesOut = 0;
  #collections = 0;
  #collectedBlobs = 0;
  #collectedBytes = 0;

  /** `method` is one of a known few: nobody's spelling makes a new series. */
  answered(method: string, status: number, seconds: number): void {
    const key = `method="${method}",code="${status}"`;
    this.#requests.set(key, (this.#requests.get(key) ?? 0) + 1);
    this.#durationSum += seconds;
    this.#durationCount++;
    for (const [i, bound] of BUCKETS.entries())
      if (seconds <= bound) this.#durations[i] = (this.#durations[i] ?? 0) + 1;
  }

  received(bytes: number): void {
    this.#bytesIn += bytes;
  }

  sent(bytes: number): void {
    this.#bytesOut += bytes;
  }

  collected({ blobs, bytes }: Collected): void {
    this.#collections++;
    this.#collectedBlobs += blobs;
    this.#collectedBytes += bytes;
  }

  text(gauges: Gauges): string {
    const name = "gantry_registry_request_duration_seconds";
    return [
      ...series("requests_total", "counter", "Requests answered.", [...this.#requests]),
      `# HELP ${name} Time from a request's head to the end of its answer.`,
      `# TYPE ${name} histogram`,
      ...BUCKETS.map((bound, i) => `${name}_bucket{le="${bound}"} ${this.#durations[i] ?? 0}`),
      `${name}_bucket{le="+Inf"} ${this.#durationCount}`,
      `${name}_sum ${this.#durationSum}`,
      `${name}_count ${this.#durationCount}`,
      ...series("received_bytes_total", "counter", "Bytes of request bodies.", [["", this.#bytesIn]]),
      ...series("sent_bytes_total", "counter", "Bytes of answers' bodies.", [["", this.#bytesOut]]),
      ...series("collections_total", "counter", "Garbage collections.", [["", this.#collections]]),
      ...series("collected_blobs_total", "counter", "Blobs deleted by them.", [["", this.#collectedBlobs]]),
      ...series("collected_bytes_total", "counter", "Bytes deleted by them.", [["", this.#collectedBytes]]),
      ...series("uploads", "gauge", "Uploads in progress.", [["", gauges.uploads]]),
      ...series("requests", "gauge", "Requests being answered.", [["", gauges.requests]]),
      ...series("blobs", "gauge", "Blobs stored.", [["", gauges.blobs]]),
      ...series("blob_bytes", "gauge", "Bytes of the blobs stored.", [["", gauges.blobBytes]]),
      "",
    ].join("\n");
  }
}

function series(
  name: string,
  type: "counter" | "gauge",
  help: string,
  values: readonly (readonly [string, number])[],
): string[] {
  const full = `gantry_registry_${name}`;
  return [
    `# HELP ${full} ${help}`,
    `# TYPE ${full} ${type}`,
    ...values.map(([labels, value]) => `${full}${labels === "" ? "" : `{${labels}}`} ${value}`),
  ];
}
