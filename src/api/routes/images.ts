/** /images. */
import type { Readable, Writable } from "node:stream";
import { fail } from "../../base/errors.ts";
import { announceImage } from "../../engine/images/announce.ts";
import { parseChanges } from "../../engine/images/changes.ts";
import { type InspectImageDeps, imageHistory, inspectImage } from "../../engine/images/inspect.ts";
import { IMAGE_FILTERS, type ListImagesDeps, listImages } from "../../engine/images/list.ts";
import {
  planPruneImages,
  PRUNE_IMAGE_FILTERS,
  pruneImages,
  type PruneImagesDeps,
} from "../../engine/images/prune.ts";
import { type PullDeps, pull } from "../../engine/images/pull.ts";
import { type RemoveImageDeps, removeImage } from "../../engine/images/remove.ts";
import { tagImage } from "../../engine/images/tag.ts";
import { decodeFilters } from "../../specs/engine/filters.decode.ts";
import type { ProgressMessage } from "../../specs/engine/image.ts";
import type { Call } from "../call.ts";
import { imageInspectFor, imageSummaryFor } from "../compat/images.ts";
import type { Route } from "../router.ts";

export type ImageRouteDeps = ListImagesDeps & InspectImageDeps & RemoveImageDeps & PullDeps & PruneImagesDeps;

export function imageRoutes(deps: ImageRouteDeps): readonly Route[] {
  return [
    {
      method: "GET",
      pattern: "/images/json",
      handler: ({ query, reply, minor }) => {
        const filters = decodeFilters(query.str("filters"), IMAGE_FILTERS);
        const images = listImages(deps, { filters, sharedSize: query.bool("shared-size") });
        reply.json(
          200,
          images.map((image) => imageSummaryFor(minor, image)),
        );
      },
    },
    {
      method: "POST",
      pattern: "/images/create",
      handler: (call) =>
        call.query.str("fromImage") === "" ? importRoute(deps, call) : pullRoute(deps, call),
    },
    { method: "POST", pattern: "/images/load", handler: (call) => loadRoute(deps, call) },
    {
      method: "POST",
      pattern: "/images/prune",
      handler: async (call) => {
        const filters = decodeFilters(call.query.str("filters"), PRUNE_IMAGE_FILTERS);
        const isDryRun = call.query.bool("dry-run");
        const afterContainers = call.query.bool("after-containers");
        const report = isDryRun
          ? planPruneImages(deps, filters, { afterContainers })
          : await pruneImages(deps, filters, call.signal);
        call.reply.json(200, report);
      },
    },
    {
      method: "GET",
      pattern: "/images/*name/json",
      handler: (call) => {
        const image = deps.images.resolve(call.param(0));
        call.reply.json(200, imageInspectFor(call.minor, inspectImage(deps, image)));
      },
    },
    {
      method: "GET",
      pattern: "/images/*name/history",
      handler: (call) => call.reply.json(200, imageHistory(deps, deps.images.resolve(call.param(0)))),
    },
    {
      method: "POST",
      pattern: "/images/*name/tag",
      handler: ({ query, reply, params }) => {
        tagImage(deps, params[0] ?? "", { repo: query.str("repo"), tag: query.str("tag") });
        reply.empty(201);
      },
    },
    {
      method: "DELETE",
      pattern: "/images/*name",
      handler: async (call) => {
        if (call.query.all("platforms").length > 0)
          throw fail("not_implemented", '"platforms" is not supported by this engine yet');
        const force = call.query.bool("force");
        call.reply.json(200, await removeImage(deps, call.param(0), { force }));
      },
    },
  ];
}

async function pullRoute(deps: ImageRouteDeps, call: Call): Promise<void> {
  const { query } = call;
  const request = { name: query.str("fromImage"), tag: query.str("tag") };
  sendProgress(call, await pull(deps, request, call.signal));
}

async function importRoute(deps: ImageRouteDeps, call: Call): Promise<void> {
  const { query } = call;
  const source = query.str("fromSrc");
  if (source !== "-")
    throw source === ""
      ? fail("invalid_argument", '"fromImage" or "fromSrc" must be given')
      : fail("not_implemented", "importing from a URL is not supported by this engine yet");
  const repo = query.str("repo");
  const tag = query.str("tag");
  const image = await deps.images.import(
    bodyOf(call),
    {
      reference: repo === "" ? undefined : tag === "" ? repo : `${repo}:${tag}`,
      message: query.str("message") === "" ? "Imported from -" : query.str("message"),
      platform: query.str("platform"),
      config: parseChanges(query.all("changes")),
    },
    call.signal,
  );
  announceImage(deps.events, image.id, "import", image.id);
  sendProgress(call, [{ status: image.id }]);
}

async function loadRoute(deps: ImageRouteDeps, call: Call): Promise<void> {
  if (call.query.has("platform"))
    throw fail("not_implemented", '"platform" is not supported by this engine yet');
  const loaded = await deps.images.load(bodyOf(call), call.signal);
  const messages: ProgressMessage[] = [];
  for (const { image, names, takenOver } of loaded) {
    for (const { name, id } of takenOver)
      messages.push({
        stream: `The image ${name} already exists, renaming the old one with ID ${id} to empty string\n`,
      });
    for (const name of names) {
      announceImage(deps.events, image.id, "load", name);
      messages.push({ stream: `Loaded image: ${name}\n` });
    }
    if (names.length === 0) messages.push({ stream: `Loaded image ID: ${image.id}\n` });
  }
  sendProgress(call, messages);
}

/** The request's body, as long as it may be. */
function bodyOf(call: Call): Readable {
  return call.request;
}

/** One JSON object a line, lines end CR LF. */
function sendProgress(call: Call, messages: readonly ProgressMessage[]): void {
  const body: Writable = call.reply.stream(200, { "Content-Type": "application/json" });
  for (const message of messages) body.write(`${JSON.stringify(message)}\r\n`);
  body.end();
}
