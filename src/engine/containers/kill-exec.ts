/** POST /exec/{id}/kill. */
import { fail, isCategory } from "../../base/errors.ts";
import type { Container } from "./container.ts";
import type { Exec } from "./exec-record.ts";
import { parseSignal, SIGKILL } from "./signals.ts";

/**
 * Signals the process that was started, not what that has started. `signal`: name or number, "" = KILL. Throws `conflict` for one
 * that does not run.
 */
export async function killExec(container: Container, exec: Exec, signal: string): Promise<void> {
  const number = signal === "" ? SIGKILL : parseSignal(signal);
  const { task } = container;
  if (exec.phase !== "running" || task === undefined) throw notRunning(exec);
  try {
    await task.signal(number, exec.processId);
  } catch (error) {
    throw isCategory(error, "not_found") ? notRunning(exec, error) : error;
  }
}

function notRunning({ id }: Exec, cause?: unknown): Error {
  return fail("conflict", `exec process ${id} is not running`, cause);
}
