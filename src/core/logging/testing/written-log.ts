/** A log as a shim writes it, in a directory of its own. */
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LogSink } from "../../tasks/tasks.ts";
import type { ForwardedLog } from "../forwarding.ts";
import { DEFAULT_RETRY, type Endpoint, type RemoteLog } from "../remote-log.ts";

export const TEST_ID = "c".repeat(64);
const T0 = 1_700_000_000;

export class WrittenLog {
  readonly root = mkdtempSync(join(tmpdir(), "forwarded-"));
  readonly file: LogSink;
  #written = 0;

  constructor(maxFiles = 5) {
    mkdirSync(join(this.root, "logs"));
    const path = join(this.root, "logs", "container.log");
    this.file = { path, maxBytes: 0, maxFiles, compress: false, exact: true, attrs: "" };
  }

  get positionPath(): string {
    return join(this.root, "forwarded");
  }

  /** Each a line, unless it is a part of one; a second apart. */
  write(...texts: readonly string[]): void {
    for (const log of texts) this.entry({ log: log.endsWith("…") ? log.slice(0, -1) : `${log}\n` });
  }

  entry({ log, stream = "stdout", second }: { log: string; stream?: string; second?: number }): void {
    const time = new Date((T0 + (second ?? this.#written++)) * 1000)
      .toISOString()
      .replace(".000Z", ".123456789Z");
    appendFileSync(this.file.path, `${JSON.stringify({ log, stream, time })}\n`);
  }

  rotate(): void {
    const { path, maxFiles } = this.file;
    for (let n = maxFiles - 1; n > 0; n--) {
      const from = n === 1 ? path : `${path}.${n - 1}`;
      if (existsSync(from)) renameSync(from, `${path}.${n}`);
    }
  }

  forwarded(remote: RemoteLog): ForwardedLog {
    return { id: TEST_ID, file: this.file, remote, positionPath: this.positionPath };
  }

  remove(): void {
    rmSync(this.root, { recursive: true });
  }
}

export function syslogTo(endpoint: Endpoint, more: Partial<RemoteLog & { kind: "syslog" }> = {}): RemoteLog {
  return {
    kind: "syslog",
    endpoint,
    retry: { ...DEFAULT_RETRY, waitMs: 20 },
    tag: "tag",
    containerId: TEST_ID,
    containerName: "web",
    facility: 3,
    format: "rfc5424",
    counted: false,
    hostname: "host",
    ...more,
  };
}
