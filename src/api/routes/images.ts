/** /images: what is here. How images come and go over the wire: image-transfer.ts. */
import { fail } from "../../base/errors.ts";
import { type InspectImageDeps, imageHistory, inspectImage } from "../../engine/images/inspect.ts";
import { IMAGE_FILTERS, type ListImagesDeps, listImages } from "../../engine/images/list.ts";
import {
  planPruneImages,
  PRUNE_IMAGE_FILTERS,
  pruneImages,
  type PruneImagesDeps,
} from "../../engine/images/prune.ts";
import { type RemoveImageDeps, removeImage } from "../../engine/images/remove.ts";
import { tagImage } from "../../engine/images/tag.ts";
import { withManifests } from "../../engine/images/manifests.ts";
import { untagImage } from "../../engine/images/untag.ts";
import { decodeFilters } from "../../specs/engine/filters.decode.ts";
import { decodePlatform } from "../../specs/engine/platform.decode.ts";
import type { Call } from "../call.ts";
import { imageInspectFor, imageSummaryFor } from "../compat/images.ts";
import type { Route } from "../router.ts";
import { type ImageTransferDeps, imageTransferRoutes, platformSince } from "./image-transfer.ts";

export type ImageRouteDeps = ListImagesDeps &
  InspectImageDeps &
  RemoveImageDeps &
  ImageTransferDeps &
  PruneImagesDeps;

export function imageRoutes(deps: ImageRouteDeps): readonly Route[] {
  return [
    { method: "GET", pattern: "/images/json", handler: (call) => listRoute(deps, call) },
    ...imageTransferRoutes(deps),
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
    { method: "GET", pattern: "/images/*name/json", handler: (call) => inspectRoute(deps, call) },
    {
      method: "GET",
      pattern: "/images/*name/history",
      handler: (call) => {
        const image = deps.images.resolve(call.param(0), platformSince(48, call));
        call.reply.json(200, imageHistory(deps, image));
      },
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
      // Not Docker's: a name goes, the image stays whatever becomes of it.
      method: "POST",
      pattern: "/images/*name/untag",
      handler: (call) => call.reply.json(200, untagImage(deps, call.param(0))),
    },
    { method: "DELETE", pattern: "/images/*name", handler: (call) => removeRoute(deps, call) },
  ];
}

async function listRoute(deps: ImageRouteDeps, { query, reply, minor }: Call): Promise<void> {
  const listed = listImages(deps, {
    filters: decodeFilters(query.str("filters"), IMAGE_FILTERS),
    sharedSize: query.bool("shared-size"),
    all: query.bool("all"),
  });
  const images = minor >= 47 && query.bool("manifests") ? await withManifests(deps, listed) : listed;
  reply.json(
    200,
    images.map((image) => imageSummaryFor(minor, image)),
  );
}

async function inspectRoute(deps: ImageRouteDeps, call: Call): Promise<void> {
  const { query, minor, reply } = call;
  const manifests = minor >= 48 && query.bool("manifests");
  const platform = platformSince(49, call);
  if (manifests && platform !== undefined)
    throw fail("invalid_argument", "conflicting options: manifests and platform options cannot both be set");
  const image = deps.images.resolve(call.param(0), platform);
  reply.json(200, imageInspectFor(minor, await inspectImage(deps, image, { manifests })));
}

/** `noprune` keeps parents that have no name: there are none, an image is all of its layers. */
async function removeRoute(deps: ImageRouteDeps, { query, reply, minor, params }: Call): Promise<void> {
  const platforms = minor >= 50 ? query.all("platforms").map(decodePlatform) : [];
  const options = { force: query.bool("force"), platforms };
  reply.json(200, await removeImage(deps, params[0] ?? "", options));
}
