/** The longest that a timer of the runtime can wait, 24 days and some hours. One that is to wait longer rings at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** What a timer is to be given that somebody's choice decides: it rings no sooner than after the longest wait there is. */
export function timerMs(wantedMs: number): number {
  return Math.min(wantedMs, LONGEST_TIMER_MS);
}
