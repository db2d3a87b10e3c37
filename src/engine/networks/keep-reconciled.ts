/** Others may change the firewall at any time, and reload theirs: now and then it is looked at. */
import { messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";

export interface ReconcileDeps {
  /** Puts right what others have changed, and says so. */
  readonly reconcile: () => Promise<void>;
  readonly log: Logger;
}

/** A comparison takes some tens of milliseconds of CPU. */
const INTERVAL_MS = 60_000;

/** Returns what ends it. */
export function keepReconciled(deps: ReconcileDeps): () => void {
  let isBusy = false;
  const timer = setInterval(() => {
    if (isBusy) return;
    isBusy = true;
    void reconcileOnce(deps).finally(() => {
      isBusy = false;
    });
  }, INTERVAL_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** Never rejects: the next time tries again. */
export async function reconcileOnce({ reconcile, log }: ReconcileDeps): Promise<void> {
  try {
    await reconcile();
  } catch (error) {
    log.error("cannot compare the firewall with what it should be", { error: messageOf(error) });
  }
}
