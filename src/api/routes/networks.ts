/** /networks. */
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
  ];
}
