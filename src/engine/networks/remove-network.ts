/** DELETE /networks/{id} and POST /networks/prune. */
import { isCategory, messageOf } from "../../base/errors.ts";
import { checkRemoval } from "../../core/network/check-connection.ts";
import { isNamedById } from "../../core/network/link-names.ts";
import { isPredefined, type NetworkRecord } from "../../core/network/network-record.ts";
import type { ContainerStore } from "../containers/store.ts";
import type { Filters } from "../../specs/engine/container.ts";
import { announcePrune } from "../system/announce-prune.ts";
import { pruneFilter } from "../system/prune-filter.ts";
import { announceNetwork } from "./announce-network.ts";
import type { NetworkVerbDeps } from "./create-network.ts";

export interface RemoveNetworkDeps extends NetworkVerbDeps {
  readonly store: Pick<ContainerStore, "get">;
}

/** Throws `not_found`; `forbidden` for one that is always there, or that somebody is in. */
export function removeNetwork(deps: RemoveNetworkDeps, reference: string): Promise<void> {
  return deps.network.locks.run("networks", async () => {
    await remove(deps, deps.network.networks.find(reference));
  });
}

/**
 * On crash: the row goes first, and from then on nobody can come in. What is left of it in the kernel is garbage to the next
 * start.
 */
async function remove(deps: RemoveNetworkDeps, network: NetworkRecord): Promise<void> {
  const { networks, ipam, firewall, names } = deps.network;
  const members = networks.endpointsOf(network.id).map(({ id, container }) => ({
    id,
    name: deps.store.get(container)?.name ?? container,
  }));
  checkRemoval(network, isPredefined(network.name), members, networks.all());
  networks.remove(network.id);
  names.changed(network.id);
  firewall.removeNetwork(network.id);
  const lowered = lower(deps, network);
  // The kernel takes some twenty milliseconds to forget a link. Nobody can meet one whose name is its network's alone.
  if (!isNamedById(network)) await lowered;
  ipam.release(network.id);
  announceNetwork(deps.events, network, "destroy");
}

/** Never rejects. */
async function lower(deps: RemoveNetworkDeps, network: NetworkRecord): Promise<void> {
  const { firewall, driverOf } = deps.network;
  if (network.isConfigOnly) return;
  try {
    await Promise.all([firewall.apply(), driverOf(network).lower(network)]);
  } catch (error) {
    deps.log.warn("left for the next start", { network: network.name, error: messageOf(error) });
  }
}

export const PRUNE_FILTERS = ["label", "label!", "until"] as const;

/**
 * Those that no container asks for, whether it runs or not (Docker's also takes those of stopped ones). With `dryRun` it only tells which. Returns
 * their names.
 */
export async function pruneNetworks(
  deps: RemoveNetworkDeps,
  { filters, dryRun }: { readonly filters: Filters; readonly dryRun: boolean },
): Promise<readonly string[]> {
  const matches = pruneFilter(filters);
  const removed: string[] = [];
  for (const network of deps.network.networks.all()) {
    const { labels, created, id, name } = network;
    const createdNs = BigInt(Date.parse(created)) * 1_000_000n;
    if (isPredefined(name) || !matches({ createdNs, labels }) || isAsked(deps, id)) continue;
    try {
      if (!dryRun) await removeNetwork(deps, id);
      removed.push(name);
    } catch (error) {
      if (!isCategory(error, "forbidden") && !isCategory(error, "not_found")) throw error;
    }
  }
  if (!dryRun) announcePrune(deps.events, "network", 0);
  return removed;
}

function isAsked({ network: { networks } }: RemoveNetworkDeps, id: string): boolean {
  return networks
    .attachedContainers()
    .some((container) => networks.attachments(container).some(({ networkId }) => networkId === id));
}
