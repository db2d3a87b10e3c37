/** Trying again: waits that grow, with some chance in them, so that many clients do not come back at once. */
import { setTimeout as sleep } from "node:timers/promises";
import type { RetryNotice } from "./distribution.ts";
import { RegistryError } from "./registry-error.ts";
import type { Limits } from "./registry-options.ts";

export interface RetryOptions {
  readonly maxAttempts: number;
  readonly limits: Pick<Limits, "firstWaitMs" | "longestWaitMs">;
  readonly signal: AbortSignal;
  readonly onRetry?: RetryNotice | undefined;
}

/** Milliseconds before attempt `attempt` (2 = the first repetition), undefined = no more. `chance` is in 0…1. Pure. */
export function waitBefore(
  attempt: number,
  error: unknown,
  options: Pick<RetryOptions, "maxAttempts" | "limits">,
  chance: number,
): number | undefined {
  if (!(error instanceof RegistryError) || !error.mayRetry || attempt > options.maxAttempts) return undefined;
  const { firstWaitMs, longestWaitMs } = options.limits;
  const wanted = error.retryAfterMs;
  if (wanted !== undefined && wanted > longestWaitMs) return undefined;
  const grown = Math.min(firstWaitMs * 2 ** (attempt - 2), longestWaitMs);
  return Math.round(Math.max(wanted ?? 0, grown * (0.5 + chance / 2)));
}

/** Runs `work` until it succeeds, fails for good, or no attempt is left. */
export async function withRetries<T>(options: RetryOptions, work: () => Promise<T>): Promise<T> {
  for (let attempt = 2; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      await waitOrThrow(attempt, error, options);
    }
  }
}

/** Waits for attempt `attempt`; throws the error when there is none. */
export async function waitOrThrow(attempt: number, error: unknown, options: RetryOptions): Promise<void> {
  options.signal.throwIfAborted();
  const waitMs = waitBefore(attempt, error, options, Math.random());
  if (waitMs === undefined) throw error;
  options.onRetry?.({ attempt, waitMs });
  await sleep(waitMs, undefined, { signal: options.signal }).catch(() => options.signal.throwIfAborted());
}
