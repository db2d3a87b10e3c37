/**
 * Mutual exclusion per key, first come first served. A holder keeps its key across a whole state transition, never
 * across a stream that a user drives.
 */
export class KeyedLock {
  readonly #tails = new Map<string, Promise<void>>();

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const tail = before === undefined ? done : before.then(() => done);
    this.#tails.set(key, tail);
    try {
      if (before !== undefined) await before;
      return await work();
    } finally {
      resolve();
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    }
  }

  /** Keys that somebody holds or waits for, for the state dump. */
  held(): string[] {
    return [...this.#tails.keys()];
  }
}
