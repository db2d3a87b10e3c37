/**
 * Many alarms on one timer of the runtime: thousands of things that wait for their time cost one entry each and nothing while
 * they wait.
 */
import { timerMs } from "./timer-limit.ts";

export interface Clock {
  /** Milliseconds that never go back. */
  now(): number;
  /** Rings once; returns what takes it back. */
  after(ms: number, ring: () => void): () => void;
}

export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  after: (ms, ring) => {
    const timer = setTimeout(ring, timerMs(Math.max(ms, 0)));
    return () => clearTimeout(timer);
  },
};

interface Alarm {
  readonly at: number;
  /** Undefined once it was taken back or has rung. */
  ring: (() => void) | undefined;
}

export class Alarms {
  readonly #clock: Clock;
  /** A binary heap: the earliest is first. */
  readonly #heap: Alarm[] = [];
  #silent = 0;
  #timer: { readonly at: number; readonly cancel: () => void } | undefined;

  constructor(clock: Clock = SYSTEM_CLOCK) {
    this.#clock = clock;
  }

  /** Alarms that have yet to ring. */
  get size(): number {
    return this.#heap.length - this.#silent;
  }

  now(): number {
    return this.#clock.now();
  }

  /** Rings once, not before `ms` milliseconds are over. Returns what takes it back, as often as one likes. */
  in(ms: number, ring: () => void): () => void {
    const alarm: Alarm = { at: this.#clock.now() + Math.max(ms, 0), ring };
    push(this.#heap, alarm);
    this.#arm();
    return () => {
      if (alarm.ring === undefined) return;
      alarm.ring = undefined;
      this.#silent++;
      this.#sweep();
      this.#arm();
    };
  }

  /** What `work` comes to, or undefined once `ms` milliseconds are over. The work goes on all the same. */
  async within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
    const { promise: late, resolve } = Promise.withResolvers<undefined>();
    const cancel = this.in(ms, () => resolve(undefined));
    try {
      return await Promise.race([work, late]);
    } finally {
      cancel();
    }
  }

  /** No alarm rings any more. */
  clear(): void {
    this.#heap.length = 0;
    this.#silent = 0;
    this.#arm();
  }

  #arm(): void {
    for (let first = this.#heap[0]; first !== undefined && first.ring === undefined; first = this.#heap[0]) {
      pop(this.#heap);
      this.#silent--;
    }
    const at = this.#heap[0]?.at;
    if (at === this.#timer?.at) return;
    this.#timer?.cancel();
    this.#timer =
      at === undefined
        ? undefined
        : { at, cancel: this.#clock.after(at - this.#clock.now(), () => this.#ring()) };
  }

  #ring(): void {
    this.#timer = undefined;
    try {
      for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
        if (first.ring !== undefined && first.at > this.#clock.now()) break;
        pop(this.#heap);
        const { ring } = first;
        first.ring = undefined;
        if (ring === undefined) this.#silent--;
        else ring();
      }
    } finally {
      this.#arm();
    }
  }

  /** What was taken back long before its time is not kept until then. */
  #sweep(): void {
    if (this.#silent < 64 || this.#silent * 2 < this.#heap.length) return;
    const live = this.#heap.filter(({ ring }) => ring !== undefined);
    this.#heap.length = 0;
    this.#silent = 0;
    for (const alarm of live) push(this.#heap, alarm);
  }
}

function push(heap: Alarm[], alarm: Alarm): void {
  let at = heap.length;
  heap.push(alarm);
  while (at > 0) {
    const above = (at - 1) >> 1;
    const parent = heap[above];
    if (parent === undefined || parent.at <= alarm.at) break;
    heap[at] = parent;
    at = above;
  }
  heap[at] = alarm;
}

function pop(heap: Alarm[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let at = 0;
  for (;;) {
    const left = at * 2 + 1;
    const [a, b] = [heap[left], heap[left + 1]];
    if (a === undefined) break;
    const [child, below] = b !== undefined && b.at < a.at ? [b, left + 1] : [a, left];
    if (child.at >= last.at) break;
    heap[at] = child;
    at = below;
  }
  heap[at] = last;
}
