/** Events in memory: the last ones are kept for those who ask for the past. */
import { fail } from "../../base/errors.ts";
import type { EventMessage } from "../../specs/engine/system.ts";
import type { EventBus, SubscribeOptions } from "./events.ts";
import { matches } from "./filter.ts";

/** Docker keeps 256. */
const REMEMBERED = 1024;
const QUEUE_MAX = 1024;
/** setTimeout's limit: a later end is looked at again then. */
const TIMER_MAX_MS = 2 ** 31 - 1;

export class MemoryEventBus implements EventBus {
  readonly #subscriptions = new Set<Subscription>();
  #remembered: EventMessage[] = [];

  get subscribers(): number {
    return this.#subscriptions.size;
  }

  publish(message: EventMessage): void {
    this.#remembered.push(message);
    // Not with every event: shifting an array is not free.
    if (this.#remembered.length >= 2 * REMEMBERED) this.#remembered = this.#remembered.slice(-REMEMBERED);
    for (const subscription of this.#subscriptions) subscription.offer(message);
  }

  subscribe(options: SubscribeOptions): AsyncIterable<EventMessage> {
    const subscription = new Subscription(options, () => {
      this.#subscriptions.delete(subscription);
    });
    this.#subscriptions.add(subscription);
    subscription.begin(this.#past(options));
    return subscription;
  }

  #past({ sinceNs, untilNs }: SubscribeOptions): readonly EventMessage[] {
    if (sinceNs === undefined && untilNs === undefined) return [];
    const from = sinceNs ?? 0n;
    return this.#remembered.slice(-REMEMBERED).filter(({ timeNano }) => timeNano >= from);
  }
}

class Subscription implements AsyncIterable<EventMessage>, AsyncIterator<EventMessage, undefined> {
  readonly #options: SubscribeOptions;
  readonly #onEnd: () => void;
  #queue: EventMessage[] = [];
  #wake: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isEnded = false;
  #failure: Error | undefined;

  constructor(options: SubscribeOptions, onEnd: () => void) {
    this.#options = options;
    this.#onEnd = onEnd;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  begin(past: readonly EventMessage[]): void {
    this.#queue = past.filter((message) => this.#isWanted(message));
    this.#options.signal.addEventListener("abort", this.#stop, { once: true });
    if (this.#options.signal.aborted) this.#stop();
    else this.#endInTime();
  }

  offer(message: EventMessage): void {
    if (!this.#isWanted(message)) return;
    if (this.#queue.length >= QUEUE_MAX) {
      this.#failure = fail("unavailable", `event listener fell ${QUEUE_MAX} events behind`);
      this.#queue = [];
      this.#stop();
      return;
    }
    this.#queue.push(message);
    this.#wake?.();
  }

  async next(): Promise<IteratorResult<EventMessage, undefined>> {
    while (this.#queue.length === 0 && !this.#isEnded) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
    const value = this.#options.signal.aborted ? undefined : this.#queue.shift();
    return value === undefined ? { done: true, value } : { done: false, value };
  }

  return(): Promise<IteratorResult<EventMessage, undefined>> {
    this.#queue = [];
    this.#stop();
    return Promise.resolve({ done: true, value: undefined });
  }

  #isWanted(message: EventMessage): boolean {
    const { untilNs, filters } = this.#options;
    return (untilNs === undefined || message.timeNano <= untilNs) && matches(filters, message);
  }

  #endInTime(): void {
    const { untilNs } = this.#options;
    if (untilNs === undefined) return;
    const leftMs = Number(untilNs / 1_000_000n) - Date.now();
    if (leftMs < 0) this.#stop();
    else this.#timer = setTimeout(() => this.#endInTime(), Math.min(leftMs + 1, TIMER_MAX_MS));
  }

  readonly #stop = (): void => {
    this.#isEnded = true;
    clearTimeout(this.#timer);
    this.#options.signal.removeEventListener("abort", this.#stop);
    this.#onEnd();
    this.#wake?.();
  };
}
