/** /_ping, /version, /info, /events. */
import { type InfoDeps, info } from "../../engine/system/info.ts";
import { version } from "../../engine/system/version.ts";
import { fail } from "../../base/errors.ts";
import type { EventBus } from "../../core/events/events.ts";
import { nowNs } from "../../engine/containers/timestamp.ts";
import { EVENT_FILTERS, eventLines } from "../../engine/system/events.ts";
import { parseTime } from "../../engine/system/time-filter.ts";
import { decodeFilters } from "../../specs/engine/filters.decode.ts";
import { diskUsageFor } from "../compat/images.ts";
import { decodeDiskUsageTypes, diskUsage, type DiskUsageDeps } from "../../engine/system/disk-usage.ts";
import { answerFor } from "../compat/table.ts";
import type { Call } from "../call.ts";
import type { Route } from "../router.ts";
import { writeAll } from "../streams/write-all.ts";
import { API_VERSION } from "../version.ts";

/** `Builder-Version: 1` makes clients use the classic builder route. */
const PING_HEADERS = {
  "Builder-Version": "1",
  "Cache-Control": "no-cache, no-store, must-revalidate",
  Pragma: "no-cache",
  Swarm: "inactive",
  "Content-Type": "text/plain; charset=utf-8",
};

const BUILD_FILTERS = [
  "description",
  "id",
  "inuse",
  "label",
  "label!",
  "parent",
  "private",
  "shared",
  "type",
  "unused-for",
  "until",
] as const;

export type SystemRouteDeps = InfoDeps &
  DiskUsageDeps & {
    readonly events: EventBus;
    /** The oldest API version that is served: 1.NN. */
    readonly minimumApiMinor: number;
  };

export function systemRoutes(deps: SystemRouteDeps): readonly Route[] {
  return [
    { method: "GET", pattern: "/_ping", handler: ({ reply }) => reply.text(200, "OK", PING_HEADERS) },
    { method: "HEAD", pattern: "/_ping", handler: ({ reply }) => reply.empty(200, PING_HEADERS) },
    {
      method: "GET",
      pattern: "/version",
      handler: ({ reply }) =>
        reply.json(
          200,
          version(deps.build, deps.facts, { current: API_VERSION, minimum: `1.${deps.minimumApiMinor}` }),
        ),
    },
    {
      method: "GET",
      pattern: "/info",
      handler: ({ reply, minor }) => reply.json(200, answerFor("info", minor, info(deps))),
    },
    {
      // Nothing is cached for builds, so nothing of it can go.
      method: "POST",
      pattern: "/build/prune",
      handler: ({ query, reply }) => {
        decodeFilters(query.str("filters"), BUILD_FILTERS);
        reply.json(200, { CachesDeleted: null, SpaceReclaimed: 0 });
      },
    },
    { method: "GET", pattern: "/system/df", handler: (call) => diskUsageRoute(deps, call) },
    { method: "GET", pattern: "/events", handler: (call) => eventsRoute(deps.events, call) },
  ];
}

async function diskUsageRoute(deps: SystemRouteDeps, { query, reply, minor, signal }: Call): Promise<void> {
  const usage = await diskUsage(deps, decodeDiskUsageTypes(query.all("type")), signal);
  reply.json(200, diskUsageFor(minor, usage));
}

async function eventsRoute(bus: EventBus, call: Call): Promise<void> {
  const { query, reply, signal } = call;
  const now = nowNs();
  const time = (name: string): bigint | undefined => {
    const text = query.str(name);
    return text === "" || text === "0" ? undefined : parseTime(text, now);
  };
  const sinceNs = time("since");
  const untilNs = time("until");
  if (sinceNs !== undefined && untilNs !== undefined && sinceNs > untilNs)
    throw fail(
      "invalid_argument",
      `\`since\` time (${query.str("since")}) cannot be after \`until\` time (${query.str("until")})`,
    );
  const lines = eventLines(bus, {
    sinceNs,
    untilNs,
    filters: decodeFilters(query.str("filters"), EVENT_FILTERS),
    signal,
  });
  const body = reply.stream(200, { "Content-Type": "application/json" });
  await writeAll(body, lines);
  body.end();
}
