/** Compresses what `--log-opt compress=true` containers have rotated. The shim only rotates: this work is nobody's hurry. */
import { messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { LogSink } from "../../core/tasks/tasks.ts";
import type { Container } from "./container.ts";
import { logSinkOf } from "./log-options.ts";
import { containerPaths } from "./paths.ts";

export interface LogCompressionDeps {
  readonly containers: () => Iterable<Container>;
  readonly containersDir: string;
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
    if (container.host.LogConfig.Config?.["compress"] === undefined) continue;
    const { log } = containerPaths(deps.containersDir, container.id);
    const sink = logSinkOf(container.host.LogConfig, container.config, log);
    if (sink === undefined || !sink.compress) continue;
    try {
      await deps.compressLog(sink, signal);
    } catch (error) {
      deps.log.warn("cannot compress a log", { id: container.id, error: messageOf(error) });
    }
  }
}
