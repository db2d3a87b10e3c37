import { fail } from "./errors.ts";

/**
 * Waits for `work`, at most `timeoutMs` milliseconds; then throws `unavailable` naming `what`. The work itself is not
 * stopped: pass it a signal where that matters.
 */
export async function withDeadline<T>(what: string, timeoutMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(fail("unavailable", `timed out after ${timeoutMs} ms: ${what}`)),
      timeoutMs,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
