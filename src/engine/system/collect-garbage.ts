/** Garbage collection at intervals: what nobody needs always, and images when the policy of daemon.json says so. */
import { messageOf } from "../../base/errors.ts";
import { timerMs } from "../../base/timer-limit.ts";
import type { GarbagePolicy } from "../../core/gc/image-policy.ts";
import { type ExpireDeps, expireImages } from "../images/expire.ts";

/** Begins one interval from now and goes on until the function that it returns is called. */
export function keepCollecting(deps: ExpireDeps, policy: GarbagePolicy): () => void {
  const end = new AbortController();
  let isBusy = false;
  const timer = setInterval(() => {
    if (isBusy) return;
    isBusy = true;
    void collectOnce(deps, policy, end.signal).finally(() => {
      isBusy = false;
    });
  }, timerMs(policy.intervalMs));
  timer.unref();
  return () => {
    clearInterval(timer);
    end.abort();
  };
}

/** Never rejects: the next interval tries again. */
export async function collectOnce(
  deps: ExpireDeps,
  policy: GarbagePolicy,
  signal: AbortSignal,
): Promise<void> {
  try {
    await deps.images.collect();
    if (policy.images !== undefined) await expireImages(deps, policy.images, signal);
  } catch (error) {
    deps.log.error("cannot collect garbage", { error: messageOf(error) });
  }
}
