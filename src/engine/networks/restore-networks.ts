/**
 * Networks at the start of the daemon: the store, the kernel and the containers that went on are brought together again.
 *
 *     row of a network                    its bridge or parent is made, or mended; its firewall is as it should be
 *     endpoint of a container that runs   keeps its addresses, ports and names; its questions are answered again
 *     container that was being changed    is mended (`mend.ts`)
 *     endpoint of one that does not       is forgotten
 *     link, or rule, without a row        garbage of something unfinished
 *     attachment without a container      what a power cut has left
 */
import { isCategory, messageOf } from "../../base/errors.ts";
import { restoreEndpoint } from "../../core/network/allocate-endpoint.ts";
import type { EndpointRecord } from "../../core/network/endpoint-record.ts";
import type { NetworkRecord } from "../../core/network/network-record.ts";
import type { Place } from "../../core/network/gateways.ts";
import { KEPT_FORWARDER } from "../../core/network/port-forwarders.ts";
import type { Task } from "../../core/tasks/tasks.ts";
import type { Container } from "../containers/container.ts";
import type { ContainerStore } from "../containers/store.ts";
import type { JoinDeps } from "./join.ts";
import { mendNetworks } from "./mend.ts";
import type { NetworkParts } from "./network-parts.ts";
import { placesOf } from "./places.ts";
import { forwardPorts } from "./publish.ts";
import { nameViewOf, servesNames } from "./resolver.ts";

export interface RestoreNetworksDeps extends JoinDeps {
  /** Makes the networks that every daemon has. Never rejects. */
  readonly predefine: () => Promise<void>;
  readonly store: ContainerStore;
  readonly containersDir: string;
  /** Deletes links that are ours and belong to no network and no endpoint. */
  readonly sweepLinks: () => Promise<void>;
}

/** Before the containers' turn. What cannot be had is said in the log, and tried again by the first container that needs it. */
export async function restoreNetworks({
  network: parts,
  log,
  predefine,
}: RestoreNetworksDeps): Promise<void> {
  gatherFirewall(parts);
  const known = parts.networks.all().filter(({ name }) => name !== "bridge");
  for (const { id, subnets } of known) parts.ipam.restore(id, subnets);
  await predefine();
  for (const network of known) {
    if (network.isConfigOnly) continue;
    try {
      await parts.prepareHost(network);
      await parts.driverOf(network).raise(network);
    } catch (error) {
      log.error("cannot make a network", { network: network.name, id: network.id, error: messageOf(error) });
    }
  }
}

/**
 * The kernel's table has gone on with everything that was there. The first application takes away what nobody has named by then, so
 * all of it is named first; those that have ended meanwhile are taken out as they are found.
 */
function gatherFirewall({ networks, firewall }: Pick<NetworkParts, "networks" | "firewall">): void {
  for (const network of networks.all()) firewall.putNetwork(network);
  for (const endpoint of networks.endpoints()) {
    const network = networks.get(endpoint.network);
    if (network !== undefined) firewall.publish(network, endpoint);
  }
}

/** A container that has gone on. Never rejects. */
export async function adoptNetworks(
  deps: RestoreNetworksDeps,
  container: Container,
  task: Task,
): Promise<void> {
  const { network: parts, log } = deps;
  const isMended = await mend(deps, container, task);
  const places = placesOf(parts.networks, container.id);
  const kept = await keptOf(deps, places, task);
  const forwarder = kept.get(KEPT_FORWARDER);
  const isForwarded = forwarder !== undefined && parts.forwarders.adopt(container.id, forwarder);
  for (const { network, endpoint } of places) {
    if (!restoreEndpoint(parts.ipam, endpoint))
      log.warn("a running container has an address that its network has no more", {
        id: container.id,
        network: network.name,
      });
    parts.firewall.publish(network, endpoint);
    await parts.hostPorts.retake(container.id, endpoint.ports, isForwarded, log);
    if (endpoint.rates !== undefined) await limitAgain(deps, network, endpoint);
  }
  try {
    // What it forwards may not be what it is to forward any more.
    if (!isForwarded || isMended) await forwardPorts(parts, task);
  } catch (error) {
    log.warn("cannot forward ports of a container", { id: container.id, error: messageOf(error) });
  }
  const sockets = new Map([...kept].filter(([name]) => name !== KEPT_FORWARDER));
  const isServed = servesNames(places);
  // Of a change that was not finished they may not be those that questions are sent to.
  if (!isServed || isMended) parts.sandboxes.discard(sockets);
  if (!isServed) return;
  try {
    const view = nameViewOf(parts, container);
    if (isMended || !parts.sandboxes.adopt(container.id, sockets, view))
      await parts.sandboxes.serveNames(task, view);
  } catch (error) {
    log.warn("cannot serve names to a container", { id: container.id, error: messageOf(error) });
  }
}

/** Nothing for one that has ended meanwhile. */
async function keptOf(
  { log }: RestoreNetworksDeps,
  places: readonly Place[],
  task: Task,
): Promise<ReadonlyMap<string, number>> {
  const hasPorts = places.some(({ endpoint }) => endpoint.ports.length > 0);
  if (!hasPorts && !servesNames(places)) return new Map();
  try {
    return await task.kept();
  } catch (error) {
    if (!isCategory(error, "conflict"))
      log.warn("cannot ask a shim for what it has kept", { id: task.id, error: messageOf(error) });
    return new Map();
  }
}

/** An update may have been interrupted. */
async function limitAgain(
  { network: parts, log }: RestoreNetworksDeps,
  network: NetworkRecord,
  endpoint: EndpointRecord,
): Promise<void> {
  try {
    await parts.driverOf(network).limit(network, endpoint);
  } catch (error) {
    log.warn("cannot limit the rates of a running container", {
      id: endpoint.container,
      network: network.name,
      error: messageOf(error),
    });
  }
}

/** Whether something was to be mended. */
async function mend(deps: RestoreNetworksDeps, container: Container, task: Task): Promise<boolean> {
  if (!deps.network.networks.isChanging(container.id)) return false;
  deps.log.info("mending the networks of a container", { id: container.id });
  try {
    await mendNetworks(deps, container, task);
  } catch (error) {
    deps.log.error("cannot mend the networks of a container", { id: container.id, error: messageOf(error) });
  }
  return true;
}

/** Of a container that does not run: what it had is free, and nothing of it is in the kernel any more. */
export function forgetEndpoints(
  parts: Pick<NetworkParts, "networks" | "firewall">,
  containerId: string,
): void {
  for (const { id } of parts.networks.endpointsIn(containerId)) forgetEndpoint(parts, id);
  parts.networks.endChange(containerId);
}

function forgetEndpoint(
  { networks, firewall }: Pick<NetworkParts, "networks" | "firewall">,
  id: string,
): void {
  networks.removeEndpoint(id);
  firewall.unpublish(id);
}

/** When all containers have had their turn. Never rejects. */
export async function settleNetworks({
  network: parts,
  store,
  log,
  sweepLinks,
}: RestoreNetworksDeps): Promise<void> {
  const { networks, firewall } = parts;
  for (const { id, container } of networks.endpoints())
    if (store.get(container) === undefined) forgetEndpoint(parts, id);
  for (const container of networks.attachedContainers())
    if (store.get(container) === undefined) networks.detachAll(container, "process");
  for (const container of networks.changing())
    if (store.get(container) === undefined) networks.endChange(container);
  try {
    await firewall.apply();
  } catch (error) {
    log.error("cannot set up the firewall: containers with published ports will not start", {
      error: messageOf(error),
    });
  }
  try {
    await sweepLinks();
  } catch (error) {
    log.warn("cannot look for links that are nobody's", { error: messageOf(error) });
  }
}
