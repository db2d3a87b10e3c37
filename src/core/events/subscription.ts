/**
 * One listener. It is a number, that of the event it reads next, and finds the event in memory, or in the history when it has
 * fallen behind or asked for the past: no event waits for it anywhere.
 */
import { fail } from "../../base/errors.ts";
import { timerMs } from "../../base/timer-limit.ts";
import type { EventMessage } from "../../specs/engine/system.ts";
import type { EventHistory, NumberedEvent, SubscribeOptions } from "./events.ts";
import { matches } from "./filter.ts";

/** What a bus has. Numbers go on without gaps from `first` to the one before `next`. */
export interface EventSource {
  readonly first: () => number;
  readonly next: () => number;
  readonly get: (number: number) => EventMessage | undefined;
  readonly history: EventHistory | undefined;
}

export class Subscription implements AsyncIterable<EventMessage>, AsyncIterator<EventMessage, undefined> {
  readonly #options: SubscribeOptions;
  readonly #source: EventSource;
  readonly #onEnd: () => void;
  /** Events from here on are new: `sinceNs` does not count for them. */
  readonly #live: number;
  /** 0 = the oldest in the history. */
  #cursor: number;
  /** Set when the subscription has ended: what was published before is still told. */
  #end: number | undefined;
  /** Reads the history up to `#pastEnd`. */
  #past: AsyncIterator<NumberedEvent> | undefined;
  #pastEnd = 0;
  #wake: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** `cursor`: what is read first; `live`: what is published next. */
  constructor(
    options: SubscribeOptions,
    source: EventSource,
    start: { readonly cursor: number; readonly live: number },
    onEnd: () => void,
  ) {
    this.#options = options;
    this.#source = source;
    this.#cursor = start.cursor;
    this.#live = start.live;
    this.#onEnd = onEnd;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  begin(): void {
    this.#options.signal.addEventListener("abort", this.#stop, { once: true });
    if (this.#options.signal.aborted) this.#stop();
    else this.#endInTime();
  }

  /** A new event. One that is not wanted does not wake a listener that has read all others. */
  offer(number: number, message: EventMessage): void {
    if (this.#cursor === number && !this.#isWanted({ number, event: message })) this.#cursor++;
    else this.#wake?.();
  }

  async next(): Promise<IteratorResult<EventMessage, undefined>> {
    try {
      for (;;) {
        const { signal } = this.#options;
        if (signal.aborted) return await this.return();
        if (this.#past === undefined && this.#cursor >= (this.#end ?? this.#source.next())) {
          if (this.#end !== undefined) return { done: true, value: undefined };
          await this.#published();
          continue;
        }
        const entry = await this.#read();
        if (entry === undefined) continue;
        this.#cursor = entry.number + 1;
        if (this.#isWanted(entry) && !signal.aborted) return { done: false, value: entry.event };
      }
    } catch (error) {
      await this.return();
      throw error;
    }
  }

  async return(): Promise<IteratorResult<EventMessage, undefined>> {
    this.#stop();
    this.#cursor = this.#end ?? this.#cursor;
    const past = this.#past;
    this.#past = undefined;
    await past?.return?.();
    return { done: true, value: undefined };
  }

  /** The event at the cursor, or the first after it that there is; undefined = look again. */
  async #read(): Promise<NumberedEvent | undefined> {
    if (this.#past === undefined) {
      const event = this.#source.get(this.#cursor);
      if (event !== undefined) return { number: this.#cursor, event };
      this.#past = this.#openPast();
    }
    const { done, value } = await this.#past.next();
    if (done !== true && value.number < this.#pastEnd) return value;
    // What the disk refused is passed over.
    const past = this.#past;
    this.#past = undefined;
    this.#cursor = Math.max(this.#cursor, this.#pastEnd);
    await past.return?.();
    return undefined;
  }

  #openPast(): AsyncIterator<NumberedEvent> {
    const { history, first } = this.#source;
    if (history === undefined)
      throw fail("unavailable", "the event listener fell behind all events that are remembered");
    this.#pastEnd = first();
    return history.read(this.#cursor, this.#options.sinceNs ?? 0n)[Symbol.asyncIterator]();
  }

  async #published(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await promise;
    this.#wake = undefined;
  }

  #isWanted({ number, event }: NumberedEvent): boolean {
    const { sinceNs, untilNs, filters } = this.#options;
    if (number < this.#live && sinceNs !== undefined && event.timeNano < sinceNs) return false;
    return (untilNs === undefined || event.timeNano <= untilNs) && matches(filters, event);
  }

  #endInTime(): void {
    const { untilNs } = this.#options;
    if (untilNs === undefined) return;
    const leftMs = Number(untilNs / 1_000_000n) - Date.now();
    if (leftMs < 0) this.#stop();
    else this.#timer = setTimeout(() => this.#endInTime(), timerMs(leftMs + 1));
  }

  readonly #stop = (): void => {
    this.#end ??= this.#source.next();
    clearTimeout(this.#timer);
    this.#options.signal.removeEventListener("abort", this.#stop);
    this.#onEnd();
    this.#wake?.();
  };
}
