/** Time that goes on when the test says so. */
import type { Clock } from "../alarms.ts";

export class FakeClock implements Clock {
  #now = 1_000;
  readonly #timers = new Set<{ readonly at: number; readonly ring: () => void }>();

  now(): number {
    return this.#now;
  }

  after(ms: number, ring: () => void): () => void {
    const timer = { at: this.#now + Math.max(ms, 0), ring };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Timers of the runtime that are set. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Lets time pass, and after each ring everything that follows from it without time. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      const [next] = [...this.#timers].sort((a, b) => a.at - b.at);
      if (next === undefined || next.at > end) break;
      this.#now = Math.max(this.#now, next.at);
      this.#timers.delete(next);
      next.ring();
      await settled();
    }
    this.#now = end;
    await settled();
  }
}

/** Everything that waits for nothing but its turn has had it. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}
