/** The last events in memory, older ones from a history. Listeners are in subscription.ts. */
import type { EventMessage } from "../../specs/engine/system.ts";
import type { EventBus, EventHistory, SubscribeOptions } from "./events.ts";
import { type EventSource, Subscription } from "./subscription.ts";

/** Docker keeps 256, and nothing else. */
const REMEMBERED = 1024;

export class MemoryEventBus implements EventBus {
  readonly #history: EventHistory | undefined;
  readonly #subscriptions = new Set<Subscription>();
  #remembered: EventMessage[] = [];
  /** The number of the first that is remembered. */
  #first: number;

  constructor(history?: EventHistory) {
    this.#history = history;
    this.#first = (history?.last ?? 0) + 1;
  }

  get published(): number {
    return this.#next() - (this.#history?.last ?? 0) - 1;
  }

  get subscribers(): number {
    return this.#subscriptions.size;
  }

  publish(message: EventMessage): void {
    const number = this.#next();
    this.#remembered.push(message);
    this.#history?.append({ number, event: message });
    this.#forget();
    for (const subscription of this.#subscriptions) subscription.offer(number, message);
  }

  subscribe(options: SubscribeOptions): AsyncIterable<EventMessage> {
    const next = this.#next();
    const wantsPast = options.sinceNs !== undefined || options.untilNs !== undefined;
    const source: EventSource = {
      first: () => this.#first,
      next: () => this.#next(),
      get: (number) => this.#remembered[number - this.#first],
      history: this.#history,
    };
    const subscription = new Subscription(
      options,
      source,
      { cursor: wantsPast ? this.#firstSince(options.sinceNs ?? 0n) : next, live: next },
      () => this.#subscriptions.delete(subscription),
    );
    this.#subscriptions.add(subscription);
    subscription.begin();
    return subscription;
  }

  #next(): number {
    return this.#first + this.#remembered.length;
  }

  /** 0 = from the oldest in the history. */
  #firstSince(sinceNs: bigint): number {
    const [first] = this.#remembered;
    const isInMemory = this.#history === undefined || (first !== undefined && first.timeNano < sinceNs);
    return isInMemory ? this.#first + Math.max(0, this.#remembered.length - REMEMBERED) : 0;
  }

  /** Not with every event: shifting an array is not free. What is not written yet is not forgotten. */
  #forget(): void {
    if (this.#remembered.length < 2 * REMEMBERED) return;
    const settled = (this.#history?.settled ?? Number.POSITIVE_INFINITY) + 1 - this.#first;
    const count = Math.min(this.#remembered.length - REMEMBERED, settled);
    if (count <= 0) return;
    this.#remembered = this.#remembered.slice(count);
    this.#first += count;
  }
}
