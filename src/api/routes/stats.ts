/** /containers/{id}/stats: one document, or one a second. */
import { fail } from "../../base/errors.ts";
import type { Container } from "../../engine/containers/container.ts";
import type { ContainerStore } from "../../engine/containers/store.ts";
import { type StatsDeps, statsOnce, statsStream } from "../../engine/containers/stats.ts";
import { encodeContainerStats } from "../../engine/containers/stats-document.ts";
import type { Call } from "../call.ts";
import type { Route } from "../router.ts";
import { writeAll } from "../streams/write-all.ts";

export type StatsRouteDeps = StatsDeps & { readonly store: ContainerStore };

/** Older clients cannot ask for it, and newer ones must. */
const ONE_SHOT_SINCE = 41;

export function statsRoutes(deps: StatsRouteDeps): readonly Route[] {
  return [{ method: "GET", pattern: "/containers/:id/stats", handler: (call) => statsRoute(deps, call) }];
}

async function statsRoute(deps: StatsRouteDeps, call: Call): Promise<void> {
  const { query, reply, minor } = call;
  const isStream = query.bool("stream", true);
  const alone = minor >= ONE_SHOT_SINCE && query.bool("one-shot");
  if (isStream && alone) throw fail("invalid_argument", "cannot have stream=true and one-shot=true");
  const container = deps.store.find(call.param(0));
  if (!isStream) {
    reply.jsonText(200, `${encodeContainerStats(await statsOnce(deps, container, alone))}\n`);
    return;
  }
  const body = reply.stream(200, { "Content-Type": "application/json" });
  await writeAll(body, lines(deps, container, call.signal));
  body.end();
}

async function* lines(
  deps: StatsRouteDeps,
  container: Container,
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  for await (const document of statsStream(deps, container, signal))
    yield `${encodeContainerStats(document)}\n`;
}
