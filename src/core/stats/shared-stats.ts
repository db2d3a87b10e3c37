/** Measurements that are shared: one feed for each container that is watched, and the last sample of each run. */
import { setTimeout as pause } from "node:timers/promises";
import type { Earlier, Reading, Sample, Stats, Subject } from "./stats.ts";

export interface StatsTimes {
  /** Between two samples that everybody who watches is shown. */
  readonly intervalMs: number;
  /** Between two that are compared, at least. */
  readonly spanMs: number;
  /** An older one says nothing about now. */
  readonly keptMs: number;
}

/**
 * The span is the kernel's default period of a processor limit: whatever moment it begins at, a container with half a processor
 * has used half of it. A shorter one may hold nothing but the half in which it ran.
 */
export const STATS_TIMES: StatsTimes = { intervalMs: 1000, spanMs: 100, keptMs: 5000 };

interface Kept {
  readonly sample: Earlier;
  /** By the monotonic clock. */
  readonly atMs: number;
}

export class SharedStats implements Stats {
  readonly #times: StatsTimes;
  readonly #last = new WeakMap<object, Kept>();
  readonly #comparing = new WeakMap<object, Promise<Reading>>();
  readonly #feeds = new Map<string, Feed>();

  constructor(times: StatsTimes = STATS_TIMES) {
    this.#times = times;
  }

  /** Containers that are measured now: for tests. */
  get watched(): number {
    return this.#feeds.size;
  }

  async compare(subject: Subject): Promise<Reading> {
    const { run } = subject;
    if (run === undefined) return { now: undefined, before: undefined };
    let reading = this.#comparing.get(run);
    if (reading === undefined) {
      reading = this.#compare(subject, run).finally(() => this.#comparing.delete(run));
      this.#comparing.set(run, reading);
    }
    return await reading;
  }

  async #compare(subject: Subject, run: object): Promise<Reading> {
    const { spanMs, keptMs } = this.#times;
    const kept = this.#last.get(run);
    let before = kept !== undefined && performance.now() - kept.atMs <= keptMs ? kept : undefined;
    if (before === undefined) {
      if ((await this.#measure(subject)) === undefined) return { now: undefined, before: undefined };
      before = this.#last.get(run);
    }
    if (before === undefined) return { now: undefined, before: undefined };
    const passedMs = performance.now() - before.atMs;
    if (passedMs < spanMs) await pause(spanMs - passedMs);
    const now = await this.#measure(subject);
    const last = this.#last.get(run);
    if (now === undefined || last === undefined) return { now: undefined, before: undefined };
    return { now, before: byTheClock(before, now, last.atMs - before.atMs) };
  }

  /** Counts as the last one of its run from then on. */
  async #measure(subject: Subject): Promise<Sample | undefined> {
    const { run } = subject;
    const sample = await subject.measure();
    if (sample === undefined || run === undefined) return undefined;
    const { takenNs, system, use } = sample;
    this.#last.set(run, { sample: { takenNs, system, use: { cpu: use.cpu } }, atMs: performance.now() });
    return sample;
  }

  async *follow(subject: Subject, signal: AbortSignal): AsyncGenerator<Reading, void, undefined> {
    const slot = new Slot();
    const feed = this.#join(subject, slot);
    const wake = (): void => slot.end();
    signal.addEventListener("abort", wake);
    try {
      let before: Shown | undefined;
      while (!signal.aborted) {
        const shown = await slot.next();
        if (shown === undefined) return;
        const isSame = before?.run === shown.run;
        yield { now: shown.sample, before: isSame ? before?.sample : undefined };
        before = shown;
      }
    } finally {
      signal.removeEventListener("abort", wake);
      feed.leave(slot);
    }
  }

  #join(subject: Subject, slot: Slot): Feed {
    const known = this.#feeds.get(subject.id);
    if (known?.isOver === false) {
      known.join(slot);
      return known;
    }
    const feed = new Feed(this.#times.intervalMs, async () => {
      const { run } = subject;
      return { run, sample: await this.#measure(subject) };
    });
    feed.join(slot);
    this.#feeds.set(subject.id, feed);
    void feed.run().finally(() => {
      if (this.#feeds.get(subject.id) === feed) this.#feeds.delete(subject.id);
    });
    return feed;
  }
}

const NS_PER_MS = 1e6;

function byTheClock({ sample }: Kept, now: Sample, passedMs: number): Earlier {
  const passedNs = BigInt(Math.round(passedMs * NS_PER_MS)) * BigInt(now.system.online);
  return { ...sample, system: { ...now.system, totalNs: now.system.totalNs - passedNs } };
}

interface Shown {
  readonly run: object | undefined;
  readonly sample: Sample | undefined;
}

/** Measures as long as somebody listens. */
class Feed {
  readonly #intervalMs: number;
  readonly #measure: () => Promise<Shown>;
  readonly #slots = new Set<Slot>();
  #last: Shown | undefined;
  #wait: AbortController | undefined;
  #isOver = false;

  constructor(intervalMs: number, measure: () => Promise<Shown>) {
    this.#intervalMs = intervalMs;
    this.#measure = measure;
  }

  /** Whoever comes then needs another one. */
  get isOver(): boolean {
    return this.#isOver;
  }

  join(slot: Slot): void {
    this.#slots.add(slot);
    if (this.#last !== undefined) slot.put(this.#last);
  }

  leave(slot: Slot): void {
    this.#slots.delete(slot);
    if (this.#slots.size === 0) this.#wait?.abort();
  }

  /** Returns when nobody listens any more. Never throws: it is the listeners who are told of a failure. */
  async run(): Promise<void> {
    while (this.#slots.size > 0) {
      const startedMs = performance.now();
      try {
        const shown = await this.#measure();
        this.#last = shown;
        for (const slot of this.#slots) slot.put(shown);
      } catch (error) {
        for (const slot of this.#slots) slot.break(error);
        break;
      }
      await this.#rest(startedMs + this.#intervalMs - performance.now());
    }
    this.#isOver = true;
  }

  /** Cut short when the last one leaves. */
  async #rest(ms: number): Promise<void> {
    if (this.#slots.size === 0) return;
    const wait = new AbortController();
    this.#wait = wait;
    await pause(Math.max(0, ms), undefined, { signal: wait.signal }).catch((error: unknown) => {
      if (!wait.signal.aborted) throw error;
    });
    this.#wait = undefined;
  }
}

/** The newest that one listener has not been shown. */
class Slot {
  #newest: Shown | undefined;
  #isEnded = false;
  #error: unknown;
  #wake: (() => void) | undefined;

  put(shown: Shown): void {
    this.#newest = shown;
    this.#wake?.();
  }

  end(): void {
    this.#isEnded = true;
    this.#wake?.();
  }

  break(error: unknown): void {
    this.#error = error;
    this.end();
  }

  /** Undefined at the end. One at a time. */
  async next(): Promise<Shown | undefined> {
    while (this.#newest === undefined && !this.#isEnded) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
      this.#wake = undefined;
    }
    if (this.#error !== undefined) throw this.#error;
    const shown = this.#isEnded ? undefined : this.#newest;
    this.#newest = undefined;
    return shown;
  }
}
