/** GET /containers/{id}/logs. */
import { fail } from "../../base/errors.ts";
import type { LogReadOptions, ReadLog } from "../../core/logging/log-reader.ts";
import type { Container } from "./container.ts";
import { type LogDeps, logOf } from "./log-options.ts";
import { countsAsRunning } from "./state.ts";

export interface LogsDeps extends LogDeps {
  readonly readLog: ReadLog;
}

export type LogsRequest = Omit<LogReadOptions, "framed" | "follow"> & { readonly follow: boolean };

/** What the container wrote, ready for the wire. Throws `invalid_argument` when no stream was chosen, `not_implemented` without a log. */
export function logs(deps: LogsDeps, container: Container, request: LogsRequest): AsyncIterable<Uint8Array> {
  const { config, state } = container;
  if (state.status === "removing" || state.status === "dead")
    throw fail("conflict", "can not get logs from container which is dead or marked for removal");
  const log = logOf(deps, container);
  if (log === undefined || !log.isReadable)
    throw fail("not_implemented", "configured logging driver does not support reading");
  const { follow, ...options } = request;
  return deps.readLog(log.file, {
    ...options,
    framed: !config.Tty,
    follow:
      follow && countsAsRunning(container.state.status)
        ? { ended: nextExit(container, request.signal) }
        : undefined,
  });
}

/** Of whoever still reads: a container that runs for years has many readers, and keeps none of them. */
function nextExit(container: Container, signal: AbortSignal): Promise<unknown> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const forget = container.onExit(() => {
    signal.removeEventListener("abort", forget);
    resolve();
  });
  signal.addEventListener("abort", forget, { once: true });
  return promise;
}

/** "1700000000.5" (Unix seconds) → nanoseconds; "" and "0" → undefined. Throws `invalid_argument`. */
export function parseLogTime(text: string): bigint | undefined {
  if (text === "" || text === "0") return undefined;
  const match = /^(-?)(\d{1,10})(?:\.(\d{1,9}))?$/.exec(text);
  if (match === null) throw fail("invalid_argument", `invalid time "${text.slice(0, 100)}"`);
  const ns = BigInt(match[2] ?? "0") * 1_000_000_000n + BigInt((match[3] ?? "").padEnd(9, "0"));
  return match[1] === "-" ? undefined : ns;
}

/** Docker takes anything that is not a number for "all". */
export function parseTail(text: string): number | "all" {
  return /^\d{1,15}$/.test(text) ? Number(text) : "all";
}
