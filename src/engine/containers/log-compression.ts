/** Compresses the rotated files of logs that ask for it (`--log-opt compress=true`, and all but json-file by themselves). The shim only rotates: this work is nobody's hurry. */
import { messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { LogSink } from "../../core/tasks/tasks.ts";
import type { Container } from "./container.ts";
import { type LogDeps, logOf } from "./log-options.ts";

export interface LogCompressionDeps extends LogDeps {
  readonly containers: () => Iterable<Container>;
  readonly compressLog: (log: LogSink, signal: AbortSignal) => Promise<void>;
  readonly log: Logger;
}

const PAUSE_MS = 10_000;

/** Goes through all such logs, one at a time, again and again. Returns a function that ends it. */
export function keepLogsCompressed(deps: LogCompressionDeps): () => void {
  const end = new AbortController();
  let isBusy = false;
  const timer = setInterval(() => {
    if (isBusy) return;
    isBusy = true;
    void compressLogs(deps, end.signal).finally(() => {
      isBusy = false;
    });
  }, PAUSE_MS);
  timer.unref();
  return () => {
    clearInterval(timer);
    end.abort();
  };
}

export async function compressLogs(deps: LogCompressionDeps, signal: AbortSignal): Promise<void> {
  for (const container of deps.containers()) {
    if (signal.aborted) return;
    const { Type, Config } = container.host.LogConfig;
    if (Type === "none" || (Type === "json-file" && Config?.["compress"] === undefined)) continue;
    try {
      const file = logOf(deps, container)?.file;
      if (file?.compress === true) await deps.compressLog(file, signal);
    } catch (error) {
      deps.log.warn("cannot compress a log", { id: container.id, error: messageOf(error) });
    }
  }
}
