/** How many times slower than usual this machine is (`GANTRY_TEST_SLOWNESS`; an emulated one is about ten times). */
export const SLOWNESS = Number(process.env["GANTRY_TEST_SLOWNESS"] ?? "1");

/** Waits until `check` is true, looking every few milliseconds, at most `timeoutMs`; then throws, naming what it waited for. */
export async function until(
  what: string,
  check: () => boolean | Promise<boolean>,
  timeoutMs = 10_000 * SLOWNESS,
): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await check())) {
    if (performance.now() > end) throw new Error(`waited ${timeoutMs} ms in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
