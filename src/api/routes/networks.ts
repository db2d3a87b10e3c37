/** /networks and /volumes, as far as clients ask for them while there are neither bridges nor volumes. */
import { fail } from "../../base/errors.ts";
import type { ContainerStore } from "../../engine/containers/store.ts";
import {
  findNetwork,
  listNetworks,
  NETWORK_FILTERS,
  type Network,
  networkDocument,
} from "../../engine/networks/networks.ts";
import { decodeFilters } from "../../specs/engine/filters.decode.ts";
import type { Route } from "../router.ts";

const VOLUME_FILTERS = ["dangling", "driver", "label", "name"];

export interface NetworkRouteDeps {
  readonly networks: readonly Network[];
  readonly store: ContainerStore;
}

export function networkRoutes(deps: NetworkRouteDeps): readonly Route[] {
  return [
    {
      method: "GET",
      pattern: "/networks",
      handler: ({ query, reply }) => {
        const filters = decodeFilters(query.str("filters"), NETWORK_FILTERS);
        reply.json(
          200,
          listNetworks(deps.networks, filters).map((network) => networkDocument(network, [])),
        );
      },
    },
    {
      method: "POST",
      pattern: "/networks/create",
      handler: () => {
        throw fail(
          "not_implemented",
          "networks cannot be created by this engine yet: it has only none and host",
        );
      },
    },
    {
      method: "POST",
      pattern: "/networks/prune",
      handler: ({ reply }) => reply.json(200, { NetworksDeleted: null }),
    },
    {
      method: "GET",
      pattern: "/networks/:id",
      handler: (call) => {
        const network = findNetwork(deps.networks, call.param(0));
        const members = [...deps.store.all()].filter(
          ({ host, task }) => host.NetworkMode === network.name && task !== undefined,
        );
        call.reply.json(200, networkDocument(network, members));
      },
    },
    {
      method: "DELETE",
      pattern: "/networks/:id",
      handler: (call) => {
        const { name } = findNetwork(deps.networks, call.param(0));
        throw fail("forbidden", `${name} is a pre-defined network and cannot be removed`);
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
