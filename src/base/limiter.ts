/** Runs at most `limit` pieces of work at a time, in the order they were given. */
export class Limiter {
  readonly #limit: number;
  #running = 0;
  readonly #waiting = new Set<() => void>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether whoever comes now has to wait. */
  get isFull(): boolean {
    return this.#running >= this.#limit;
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
      // Whoever ends hands its place over, so that nobody who comes in between can take it.
      const [next] = this.#waiting;
      if (next === undefined) this.#running--;
      else {
        this.#waiting.delete(next);
        next();
      }
    }
  }
}
