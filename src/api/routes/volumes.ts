/** /volumes. */
import { fail } from "../../base/errors.ts";
import { pruneVolumes, VOLUME_PRUNE_FILTERS } from "../../engine/volumes/prune-volumes.ts";
import {
  createVolume,
  inspectVolume,
  listVolumes,
  removeVolume,
  VOLUME_FILTERS,
  type VolumeVerbDeps,
} from "../../engine/volumes/volumes.ts";
import { decodeFilters } from "../../specs/engine/filters.decode.ts";
import { decodeVolumeCreate } from "../../specs/engine/volume.decode.ts";
import type { Route } from "../router.ts";

/** Before it prune took named volumes, too. */
const PRUNES_ANONYMOUS_SINCE = 42;

export function volumeRoutes(deps: VolumeVerbDeps): readonly Route[] {
  return [
    {
      method: "GET",
      pattern: "/volumes",
      handler: ({ query, reply }) => {
        const filters = decodeFilters(query.str("filters"), VOLUME_FILTERS);
        reply.json(200, { Volumes: listVolumes(deps, filters), Warnings: null });
      },
    },
    {
      method: "POST",
      pattern: "/volumes/create",
      handler: async (call) => {
        call.reply.json(201, await createVolume(deps, decodeVolumeCreate(await call.json())));
      },
    },
    {
      method: "POST",
      pattern: "/volumes/prune",
      handler: async ({ query, reply, minor, signal }) => {
        const filters = decodeFilters(query.str("filters"), VOLUME_PRUNE_FILTERS);
        const request = { filters, all: minor < PRUNES_ANONYMOUS_SINCE, dryRun: query.bool("dry-run") };
        reply.json(200, await pruneVolumes(deps, request, signal));
      },
    },
    {
      method: "GET",
      pattern: "/volumes/:name",
      handler: (call) => {
        call.reply.json(200, inspectVolume(deps, call.param(0)));
      },
    },
    {
      method: "PUT",
      pattern: "/volumes/:name",
      handler: () => {
        throw fail("unavailable", "volume update only valid for cluster volumes, but swarm is unavailable");
      },
    },
    {
      method: "DELETE",
      pattern: "/volumes/:name",
      handler: async (call) => {
        await removeVolume(deps, call.param(0), call.query.bool("force"));
        call.reply.empty(204);
      },
    },
  ];
}
