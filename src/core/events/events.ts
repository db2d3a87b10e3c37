/**
 * What happens, told to whoever listens: `docker events`, and the parts of the daemon that wait for something. Events
 * announce what has been done; nothing is ordered through them. They live in memory only and end with the daemon.
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
   * Listens from this call on (not from the first `next`), so nothing is missed in between. A listener that falls more
   * than 1024 events behind is thrown `unavailable`: it can come back with `sinceNs`.
   */
  subscribe(options: SubscribeOptions): AsyncIterable<EventMessage>;

  /** NEventsListener of `info`. */
  readonly subscribers: number;
}
