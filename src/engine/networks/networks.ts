/** GET /networks and /networks/{id}. */
import type { Networks } from "../../core/network/networks.ts";
import type { Filters } from "../../specs/engine/container.ts";
import type { NetworkInspect } from "../../specs/engine/network.ts";
import type { ContainerStore } from "../containers/store.ts";
import { filterNetworks } from "./filter-networks.ts";
import { networkDocument } from "./network-document.ts";

export const NETWORK_FILTERS = ["dangling", "driver", "id", "label", "name", "scope", "type"] as const;

export interface NetworkReadDeps {
  readonly network: { readonly networks: Networks };
  readonly store: Pick<ContainerStore, "get">;
}

/** Throws `invalid_argument` for values that no network can have. */
export function listNetworks(
  { network: { networks } }: NetworkReadDeps,
  filters: Filters,
): readonly NetworkInspect[] {
  return filterNetworks(networks.all(), filters, ({ id }) => networks.endpointsOf(id).length > 0).map(
    (record) => networkDocument(record, []),
  );
}

/** Throws `not_found`. */
export function inspectNetwork(
  { network: { networks }, store }: NetworkReadDeps,
  reference: string,
): NetworkInspect {
  const record = networks.find(reference);
  const members = networks.endpointsOf(record.id).map((endpoint) => ({
    name: store.get(endpoint.container)?.name ?? endpoint.container,
    endpoint,
  }));
  return networkDocument(record, members);
}
