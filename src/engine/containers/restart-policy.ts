/** When an ended container starts again by itself. Pure. */
import type { RestartPolicy } from "../../specs/engine/container.ts";

export const FIRST_DELAY_MS = 100;
export const LAST_DELAY_MS = 60_000;
/** A run of this length forgets the failures before it. */
export const GOOD_RUN_MS = 10_000;

export interface EndedRun {
  readonly exitCode: number;
  readonly ranMs: number;
  /** A user stopped or killed it. */
  readonly isCancelled: boolean;
  /** A user sent it a signal, whatever signal, or it was stopped before the daemon's last start. */
  readonly stoppedByUser: boolean;
  /** Automatic starts so far. */
  readonly restartCount: number;
  /** The pause before this run, 0 = it was started by hand. */
  readonly delayMs: number;
}

/** The pause before the next start, or undefined for none. */
export function nextRestart(policy: RestartPolicy, run: EndedRun): number | undefined {
  if (run.isCancelled || !wantsRestart(policy, run)) return undefined;
  if (run.delayMs === 0 || run.ranMs >= GOOD_RUN_MS) return FIRST_DELAY_MS;
  return Math.min(run.delayMs * 2, LAST_DELAY_MS);
}

function wantsRestart(policy: RestartPolicy, run: EndedRun): boolean {
  switch (policy.Name) {
    case "always":
      return true;
    case "unless-stopped":
      return !run.stoppedByUser;
    case "on-failure":
      return (
        run.exitCode !== 0 && (policy.MaximumRetryCount === 0 || run.restartCount < policy.MaximumRetryCount)
      );
    case "no":
    case "":
      return false;
  }
}
