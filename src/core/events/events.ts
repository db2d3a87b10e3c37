/**
 * What happens, told to whoever listens: `docker events`, and the parts of the daemon that wait for something. Events
 * announce what has been done; nothing is ordered through them.
 *
 * The last 8 MiB of them, some 25,000, can be asked for again, by the daemons that come later too. On crash: a daemon that is
 * killed takes the events of its last 100 ms with it, a power cut those of the last seconds. (What happened is in the store
 * all the same: events are not what a start goes by.) No request waits for an event to be written.
 */
import type { EventMessage } from "../../specs/engine/system.ts";

/** Filter name → accepted values, as decoded from the API's `filters`. `filter.ts` gives the meaning. */
export type EventFilters = ReadonlyMap<string, ReadonlySet<string>>;

export interface SubscribeOptions {
  /** Unix nanoseconds, inclusive. With it, or with `untilNs`, what is remembered comes first. */
  readonly sinceNs: bigint | undefined;
  /** Unix nanoseconds, inclusive. The subscription ends when this moment is over: at once if it lies in the past. */
  readonly untilNs: bigint | undefined;
  readonly filters: EventFilters;
  /** Ends the subscription, without an error. */
  readonly signal: AbortSignal;
}

export interface EventBus {
  /** Never waits and never fails; later events must not have an earlier `timeNano`. */
  publish(message: EventMessage): void;

  /**
   * Listens from this call on (not from the first `next`), so nothing is missed in between. A listener costs the same however
   * far it falls behind: it reads again what the others have read. One that falls behind all that is remembered is thrown
   * `unavailable`: it can come back with `sinceNs`.
   */
  subscribe(options: SubscribeOptions): AsyncIterable<EventMessage>;

  /** How many since this daemon began. */
  readonly published: number;

  /** NEventsListener of `info`. */
  readonly subscribers: number;
}

/** Events are counted from 1, over all daemons that have had this history. */
export interface NumberedEvent {
  readonly number: number;
  readonly event: EventMessage;
}

/** Where a bus finds the events that it no longer has in memory. `event-log.ts` keeps them in files. */
export interface EventHistory {
  /** The number of the last event that earlier daemons left; 0 = none. */
  readonly last: number;

  /** Up to this number all have been written, or given up when the disk refused them. */
  readonly settled: number;

  /** Never waits and never fails. Numbers go up. */
  append(event: NumberedEvent): void;

  /**
   * Those from `from` on that have been written, in order, without those before `sinceNs`. 0 = from the oldest; else throws
   * `unavailable` when `from` is no longer there.
   */
  read(from: number, sinceNs: bigint): AsyncIterable<NumberedEvent>;
}
