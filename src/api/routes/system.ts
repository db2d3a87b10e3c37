/** /_ping, /version, /info. */
import { type InfoDeps, info } from "../../engine/system/info.ts";
import { version } from "../../engine/system/version.ts";
import type { Route } from "../router.ts";
import { API_VERSION, MINIMUM_API_VERSION } from "../version.ts";

/** `Builder-Version: 1` makes clients use the classic builder route. */
const PING_HEADERS = {
  "Builder-Version": "1",
  "Cache-Control": "no-cache, no-store, must-revalidate",
  Pragma: "no-cache",
  Swarm: "inactive",
  "Content-Type": "text/plain; charset=utf-8",
};

export function systemRoutes(deps: InfoDeps): readonly Route[] {
  return [
    { method: "GET", pattern: "/_ping", handler: ({ reply }) => reply.text(200, "OK", PING_HEADERS) },
    { method: "HEAD", pattern: "/_ping", handler: ({ reply }) => reply.empty(200, PING_HEADERS) },
    {
      method: "GET",
      pattern: "/version",
      handler: ({ reply }) =>
        reply.json(
          200,
          version(deps.build, deps.facts, { current: API_VERSION, minimum: MINIMUM_API_VERSION }),
        ),
    },
    { method: "GET", pattern: "/info", handler: ({ reply }) => reply.json(200, info(deps)) },
  ];
}
