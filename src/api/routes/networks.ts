/** /networks; and /volumes, as far as clients ask for them while there are none. */
import { fail } from "../../base/errors.ts";
import { connect, type ConnectDeps, disconnect } from "../../engine/networks/connect.ts";
import { createNetwork } from "../../engine/networks/create-network.ts";
import { inspectNetwork, listNetworks, NETWORK_FILTERS } from "../../engine/networks/networks.ts";
import { PRUNE_FILTERS, pruneNetworks, removeNetwork } from "../../engine/networks/remove-network.ts";
import { decodeFilters } from "../../specs/engine/filters.decode.ts";
import {
  decodeNetworkConnect,
  decodeNetworkCreate,
  decodeNetworkDisconnect,
} from "../../specs/engine/network.decode.ts";
import type { Route } from "../router.ts";

const VOLUME_FILTERS = ["dangling", "driver", "label", "name"];

export type NetworkRouteDeps = ConnectDeps;

export function networkRoutes(deps: NetworkRouteDeps): readonly Route[] {
  return [
    // Some clients end the path with a slash, which Docker takes.
    ...["/networks", "/networks/"].map(
      (pattern): Route => ({
        method: "GET",
        pattern,
        handler: ({ query, reply }) =>
          reply.json(200, listNetworks(deps, decodeFilters(query.str("filters"), NETWORK_FILTERS))),
      }),
    ),
    {
      method: "POST",
      pattern: "/networks/create",
      handler: async (call) => {
        const { id } = await createNetwork(deps, decodeNetworkCreate(await call.json()));
        call.reply.json(201, { Id: id, Warning: "" });
      },
    },
    {
      method: "POST",
      pattern: "/networks/prune",
      handler: async ({ query, reply }) => {
        const filters = decodeFilters(query.str("filters"), PRUNE_FILTERS);
        const removed = await pruneNetworks(deps, { filters, dryRun: query.bool("dry-run") });
        reply.json(200, { NetworksDeleted: removed.length === 0 ? null : removed });
      },
    },
    {
      method: "GET",
      pattern: "/networks/:id",
      handler: (call) => {
        call.reply.json(200, inspectNetwork(deps, call.param(0)));
      },
    },
    {
      method: "DELETE",
      pattern: "/networks/:id",
      handler: async (call) => {
        await removeNetwork(deps, call.param(0));
        call.reply.empty(204);
      },
    },
    {
      method: "POST",
      pattern: "/networks/:id/connect",
      handler: async (call) => {
        await connect(deps, call.param(0), decodeNetworkConnect(await call.json()));
        call.reply.empty(200);
      },
    },
    {
      method: "POST",
      pattern: "/networks/:id/disconnect",
      handler: async (call) => {
        await disconnect(deps, call.param(0), decodeNetworkDisconnect(await call.json()));
        call.reply.empty(200);
      },
    },
    {
      method: "GET",
      pattern: "/volumes",
      handler: ({ query, reply }) => {
        decodeFilters(query.str("filters"), VOLUME_FILTERS);
        reply.json(200, { Volumes: [], Warnings: null });
      },
    },
    {
      method: "POST",
      pattern: "/volumes/create",
      handler: () => {
        throw fail("not_implemented", "volumes are not supported by this engine yet");
      },
    },
    {
      method: "POST",
      pattern: "/volumes/prune",
      handler: ({ reply }) => reply.json(200, { VolumesDeleted: null, SpaceReclaimed: 0 }),
    },
    {
      method: "GET",
      pattern: "/volumes/:name",
      handler: (call) => {
        throw fail("not_found", `get ${call.param(0)}: no such volume`);
      },
    },
    {
      method: "DELETE",
      pattern: "/volumes/:name",
      handler: (call) => {
        throw fail("not_found", `get ${call.param(0)}: no such volume`);
      },
    },
  ];
}
