/** Memory that is in use, without what merely has not been cleared away yet. */

/**
 * Clears garbage away first, which takes some tens of milliseconds in which nothing else goes on: for people who look into a
 * process, not for its work. Node clears only when it was started with `--expose-gc`.
 */
export function keptMemory(): NodeJS.MemoryUsage {
  if (typeof Bun !== "undefined") Bun.gc(true);
  else globalThis.gc?.();
  return process.memoryUsage();
}
