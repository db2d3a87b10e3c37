/** The implementation of `LogForwarding`: a run for each log that is sent away. They do not wait for each other. */
import type { Logger } from "../../../base/log.ts";
import type { ForwardedLog, LogForwarding } from "../forwarding.ts";
import { encoderOf } from "../sinks/encoders.ts";
import { openDatagramLink } from "./datagram-link.ts";
import { ForwardedLogRun, type ForwardedParts } from "./forwarded-log.ts";
import type { Link, LinkSockets } from "./link.ts";
import { openStreamLink } from "./stream-link.ts";

/** A batch that a sink does not take for so long, or an acknowledgement that does not come, ends the connection. */
const STREAM_MS = 60_000;
const RELEASE_MS = 2_000;

export class LogForwarder implements LogForwarding {
  readonly #runs = new Map<string, ForwardedLogRun>();
  readonly #parts: ForwardedParts;
  #isStopping = false;

  constructor(log: Logger, sockets: LinkSockets) {
    this.#parts = {
      log,
      openLink: (forwarded, signal) => openLink(forwarded, { sockets, log, signal }),
    };
  }

  follow(log: ForwardedLog, ended: Promise<unknown>): void {
    if (this.#isStopping) return;
    const before = this.#runs.get(log.id);
    if (before !== undefined && !before.isFinished) {
      before.goOn(ended);
      return;
    }
    const run = new ForwardedLogRun(log, ended, this.#parts);
    this.#runs.set(log.id, run);
    void this.#forget(log.id, run);
  }

  async #forget(id: string, run: ForwardedLogRun): Promise<void> {
    await run.finished;
    if (this.#runs.get(id) === run) this.#runs.delete(id);
  }

  async release(id: string): Promise<void> {
    const run = this.#runs.get(id);
    if (run === undefined) return;
    run.release();
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, RELEASE_MS);
    await Promise.race([run.finished, late]);
    clearTimeout(timer);
    if (run.isDrained) return;
    this.#parts.log.warn("a removed container's last lines could not be sent", { id });
    await run.stop();
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all([...this.#runs.values()].map((run) => run.stop()));
  }
}

interface LinkParts {
  readonly sockets: LinkSockets;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

async function openLink({ remote }: ForwardedLog, parts: LinkParts): Promise<Link> {
  const encoder = encoderOf(remote);
  const { endpoint } = remote;
  if (encoder.kind === "datagrams" && (endpoint.kind === "udp" || endpoint.kind === "unixgram"))
    return openDatagramLink(endpoint, encoder, parts);
  if (encoder.kind === "stream" && endpoint.kind !== "udp" && endpoint.kind !== "unixgram")
    return openStreamLink(endpoint, encoder, { ...parts, timeouts: timeoutsOf(remote) });
  throw new Error(`a ${encoder.kind} encoder for ${endpoint.kind}`);
}

function timeoutsOf(remote: ForwardedLog["remote"]): { readonly writeMs: number; readonly readMs: number } {
  if (remote.kind !== "fluentd") return { writeMs: STREAM_MS, readMs: STREAM_MS };
  return { writeMs: remote.writeTimeoutMs || STREAM_MS, readMs: remote.readTimeoutMs || STREAM_MS };
}
