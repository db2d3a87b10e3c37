/** GET /events: which filters there are, and how an event is written. */
import type { EventBus } from "../../core/events/events.ts";
import type { Filters } from "../../specs/engine/container.ts";
import type { EventMessage } from "../../specs/engine/system.ts";

export const EVENT_FILTERS = [
  "config",
  "container",
  "daemon",
  "event",
  "image",
  "label",
  "network",
  "node",
  "plugin",
  "scope",
  "secret",
  "service",
  "type",
  "volume",
] as const;

export interface EventsRequest {
  /** Unix nanoseconds; undefined = only what happens from now on. */
  readonly sinceNs: bigint | undefined;
  /** Where the stream ends; undefined = never. */
  readonly untilNs: bigint | undefined;
  readonly filters: Filters;
  readonly signal: AbortSignal;
}

/** Events as lines of JSON. Listens from this call on. */
export function eventLines(bus: EventBus, request: EventsRequest): AsyncIterable<string> {
  const filters = new Map([...request.filters].map(([key, values]) => [key, new Set(values)]));
  return encodeAll(bus.subscribe({ ...request, filters }));
}

async function* encodeAll(messages: AsyncIterable<EventMessage>): AsyncGenerator<string> {
  for await (const message of messages) yield encodeEvent(message);
}

/** Nanoseconds do not fit a double, so they are written by hand. */
export function encodeEvent(event: EventMessage): string {
  const { timeNano, ...rest } = event;
  return `${JSON.stringify(rest).slice(0, -1)},"timeNano":${timeNano}}\n`;
}
