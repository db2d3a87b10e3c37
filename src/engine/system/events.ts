/** GET /events: filtered events from the past and as they happen. */
import type { Filters } from "../../specs/engine/container.ts";
import type { EventMessage } from "../../specs/engine/system.ts";
import { matchesLabel } from "../containers/list-filters.ts";

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

/** What the API needs of the event bus. */
export interface EventFeed {
  /** The last events, oldest first; as many as are kept. */
  recent(): readonly EventMessage[];
  /** Returns a function that ends it. */
  subscribe(listener: (event: EventMessage) => void): () => void;
}

export interface EventsRequest {
  /** Unix nanoseconds; undefined = only what happens from now on. */
  readonly sinceNs: bigint | undefined;
  /** Where the stream ends; undefined = never. */
  readonly untilNs: bigint | undefined;
  readonly filters: Filters;
  readonly signal: AbortSignal;
}

/** A reader this far behind is cut off: events are announcements, not a log. */
const MOST_WAITING = 10_000;

export async function* events(
  feed: EventFeed,
  request: EventsRequest,
  nowNs: () => bigint,
): AsyncGenerator<EventMessage> {
  const waiting: EventMessage[] = [];
  let wake = Promise.withResolvers<void>();
  let isOver = false;
  const finish = (): void => {
    isOver = true;
    wake.resolve();
  };
  const stop = feed.subscribe((event) => {
    if (!matchesEvent(event, request.filters)) return;
    waiting.push(event);
    if (waiting.length > MOST_WAITING) finish();
    wake.resolve();
  });
  const timer = endTimer(request.untilNs, nowNs(), finish);
  request.signal.addEventListener("abort", finish, { once: true });
  try {
    for (const event of past(feed, request)) yield event;
    for (;;) {
      const next = waiting.shift();
      if (next !== undefined) {
        if (request.untilNs === undefined || next.timeNano <= request.untilNs) yield next;
      } else if (isOver) return;
      else {
        await wake.promise;
        if (!isOver) wake = Promise.withResolvers<void>();
      }
    }
  } finally {
    stop();
    clearTimeout(timer);
    request.signal.removeEventListener("abort", finish);
  }
}

function past(feed: EventFeed, request: EventsRequest): readonly EventMessage[] {
  const { sinceNs, untilNs, filters } = request;
  if (sinceNs === undefined) return [];
  return feed
    .recent()
    .filter(
      (event) =>
        event.timeNano >= sinceNs &&
        (untilNs === undefined || event.timeNano <= untilNs) &&
        matchesEvent(event, filters),
    );
}

function endTimer(
  untilNs: bigint | undefined,
  nowNs: bigint,
  finish: () => void,
): NodeJS.Timeout | undefined {
  if (untilNs === undefined) return undefined;
  const ms = Number((untilNs - nowNs) / 1_000_000n);
  if (ms <= 0) finish();
  else if (ms < 2 ** 31) return setTimeout(finish, ms);
  return undefined;
}

/** Actions of execs and health checks carry details after a colon; a filter without one means all of them. */
const PREFIXED = ["health_status", "exec_create", "exec_start"];

export function matchesEvent(event: EventMessage, filters: Filters): boolean {
  for (const [key, values] of filters) {
    if (values.length > 0 && !values.some((value) => matches(event, key, value))) return false;
    if (key === "label" && !values.every((value) => matches(event, key, value))) return false;
  }
  return true;
}

function matches(event: EventMessage, key: string, value: string): boolean {
  const { Actor, Action, Type } = event;
  switch (key) {
    case "event":
      return Action === value || (PREFIXED.includes(value) && Action.startsWith(`${value}:`));
    case "type":
      return Type === value;
    case "scope":
      return event.scope === value;
    case "label":
      return matchesLabel(Actor.Attributes, value);
    case "image": {
      const name = Type === "image" ? Actor.Attributes["name"] : Actor.Attributes["image"];
      return Actor.ID === value || name === value || name?.replace(/:[^:/]*$/, "") === value;
    }
    default:
      if (Type !== key) return false;
      return Actor.ID === value || Actor.ID.startsWith(value) || Actor.Attributes["name"] === value;
  }
}

/** One line of JSON; nanoseconds do not fit a double, so they are written by hand. */
export function encodeEvent(event: EventMessage): string {
  const { timeNano, ...rest } = event;
  return `${JSON.stringify(rest).slice(0, -1)},"timeNano":${timeNano}}\n`;
}
