/** DELETE /containers/{id}/logs: what a container has logged so far is deleted, while it goes on. */
import { rm } from "node:fs/promises";
import { fail } from "../../base/errors.ts";
import type { KeyedLock } from "../../base/keyed-lock.ts";
import type { LogSink } from "../../core/tasks/tasks.ts";
import type { Container } from "./container.ts";
import { type LogDeps, logOf } from "./log-options.ts";

export interface ClearLogsDeps extends LogDeps {
  readonly locks: KeyedLock;
}

/**
 * Readers that follow see what comes next, nothing twice. Lines that wait for a sink in rotated files are deleted, too. Throws
 * `not_implemented` when there is no log.
 */
export async function clearLogs(deps: ClearLogsDeps, container: Container): Promise<void> {
  const log = logOf(deps, container);
  if (log === undefined) throw fail("not_implemented", "configured logging driver does not support reading");
  await deps.locks.run(container.id, async () => {
    if (container.task === undefined) await deleteFiles(log.file);
    else await container.task.clearLog();
  });
}

/** Nobody writes. */
async function deleteFiles({ path, maxFiles }: LogSink): Promise<void> {
  for (let n = maxFiles - 1; n > 0; n--)
    for (const extension of [".gz", ""]) await rm(`${path}.${n}${extension}`, { force: true });
  await rm(path, { force: true });
}
