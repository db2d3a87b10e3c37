/** Runs at most `limit` pieces of work at a time, in the order they were given. */
export class Limiter {
  readonly #limit: () => number;
  #running = 0;
  readonly #waiting = new Set<() => void>();

  /** A limit that can change is asked for whenever work comes or ends. */
  constructor(limit: number | (() => number)) {
    this.#limit = typeof limit === "number" ? () => limit : limit;
  }

  /** Whether whoever comes now has to wait. */
  get isFull(): boolean {
    return this.#running >= this.#limit();
  }

  /** The signal ends the wait for a place; the work has to look at it itself. */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.isFull) {
      signal?.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const giveUp = (): void => {
        if (this.#waiting.delete(resolve)) reject(signal?.reason);
      };
      this.#waiting.add(resolve);
      signal?.addEventListener("abort", giveUp, { once: true });
      await promise;
      signal?.removeEventListener("abort", giveUp);
    } else this.#running++;
    try {
      return await work();
    } finally {
      this.#running--;
      this.#giveAway();
    }
  }

  /** Places are taken for those who wait, so that nobody who comes in between can have them. */
  #giveAway(): void {
    for (const next of this.#waiting) {
      if (this.isFull) return;
      this.#waiting.delete(next);
      this.#running++;
      next();
    }
  }
}
