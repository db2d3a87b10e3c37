/**
 * A container comes into its networks when it starts, and leaves them when it has ended.
 *
 *     enter      addresses, names, ports of the host; written down          before the container's process is made
 *     furnish    links and the resolver's sockets, in its namespace         when the process waits to begin
 *     leave      the firewall first, then addresses and ports are free      when it has ended
 *
 * On crash: endpoints are written before anything is made of them, so the next start finds whom it has to give back what
 * (`restore-networks.ts`).
 */
import { fail, messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { allocateEndpoint, releaseEndpoint } from "../../core/network/allocate-endpoint.ts";
import type { EndpointRecord } from "../../core/network/endpoint-record.ts";
import { gatewaysOf, type Place, waysOf } from "../../core/network/gateways.ts";
import type { Publication } from "../../core/network/publications.ts";
import type { CreatedTask } from "../../core/tasks/tasks.ts";
import type { EventSink } from "../containers/announce.ts";
import type { Container } from "../containers/container.ts";
import { announceNetwork } from "./announce-network.ts";
import type { NetworkParts } from "./network-parts.ts";
import { placesOf, wantedNetworks } from "./places.ts";
import { ratesOf } from "./change-rates.ts";
import { exposedPortsOf, forwardPorts, portRequests, takePorts } from "./publish.ts";
import { nameViewOf, servesNames } from "./resolver.ts";

export interface JoinDeps {
  readonly network: NetworkParts;
  readonly events: EventSink;
  readonly log: Logger;
}

/**
 * Everything but what is in the container's namespace. Throws `not_found` for a network that is not there, and what there are
 * no addresses or ports for; nothing is left then.
 */
export async function enterNetworks(
  deps: JoinDeps,
  container: Container,
  signal: AbortSignal,
): Promise<readonly Place[]> {
  const { networks, firewall, options } = deps.network;
  try {
    enterAll(deps, container);
    const gateways = gatewaysOf(placesOf(networks, container.id));
    const requests = portRequests(container.config, container.host, gateways, options);
    await takePorts(deps.network, container, gateways, requests, signal);
    for (const { network, endpoint } of placesOf(networks, container.id)) firewall.publish(network, endpoint);
    return placesOf(networks, container.id);
  } catch (error) {
    await leaveNetworks(deps, container);
    throw error;
  }
}

function enterAll(deps: JoinDeps, container: Container): void {
  for (const wanted of wantedNetworks(deps.network.networks, container))
    enterNetwork(deps, container, wanted);
}

/** One endpoint, written down. Throws what `allocateEndpoint` does. */
export function enterNetwork(
  { network: parts }: Pick<JoinDeps, "network">,
  container: Container,
  { network, attachment }: Pick<Place, "network" | "attachment">,
): EndpointRecord {
  const interfaces = parts.networks.endpointsIn(container.id).map(({ interfaceName }) => interfaceName);
  if (network.isConfigOnly) throw fail("forbidden", `cannot connect to config-only network ${network.name}`);
  const endpoint = allocateEndpoint(parts.ipam, {
    network,
    attachment,
    container: { id: container.id, name: container.name, hostname: container.config.Hostname },
    interfaces: new Set(["lo", ...interfaces]),
    exposed: exposedPortsOf(container.config, container.host),
    rates: ratesOf(container.host),
  });
  parts.networks.putEndpoint(endpoint);
  parts.names.changed(network.id);
  return endpoint;
}

/** Makes it so: between the creation of the container's process and its start. Everything is in force when this resolves. */
export async function furnishNetworks(
  { network: parts }: Pick<JoinDeps, "network">,
  container: Container,
  places: readonly Place[],
  task: CreatedTask,
): Promise<void> {
  const gateways = gatewaysOf(places);
  const members = places
    .filter(({ endpoint }) => endpoint.interfaceName !== "")
    .map((place) => ({ ...place, ways: waysOf(place, gateways) }));
  const view = servesNames(places) ? nameViewOf(parts, container) : undefined;
  const ports = places.flatMap(({ endpoint }) => endpoint.ports);
  if (members.length === 0) return;
  await Promise.all([
    parts.sandboxes.furnish(task, members, view),
    ports.length > 0 ? openPorts(parts, task, ports) : Promise.resolve(),
  ]);
}

async function openPorts(
  parts: NetworkParts,
  task: CreatedTask,
  ports: readonly Publication[],
): Promise<void> {
  await Promise.all([parts.firewall.apply(), forwardPorts(parts, task)]);
  await parts.forgetFlows(ports);
}

/**
 * For a container that has ended, or has not begun; one that is in no network is fine. What it had is somebody else's to have
 * when this resolves. Its links go with its namespace, unless that lives on for `sharer`. Never rejects: what cannot be undone
 * is said in the log, and kept from others.
 */
export async function leaveNetworks(
  deps: JoinDeps,
  container: Container,
  sharer?: { readonly id: string; readonly pid: number },
): Promise<void> {
  const { networks, sandboxes, names, firewall, forwarders, ipam, hostPorts, forgetFlows } = deps.network;
  const endpoints = networks.endpointsIn(container.id);
  // One that was taken out of all its networks still had its name server.
  sandboxes.forget(container.id);
  const forwarded = forwarders.stop(container.id);
  networks.endChange(container.id);
  if (endpoints.length === 0) return;
  const places = sharer === undefined ? [] : placesOf(networks, container.id);
  let isPublished = false;
  for (const { id, network } of endpoints) {
    networks.removeEndpoint(id);
    names.changed(network);
    isPublished = firewall.unpublish(id) || isPublished;
  }
  const ports: readonly Publication[] = endpoints.flatMap((endpoint) => endpoint.ports);
  try {
    if (sharer !== undefined) await withdraw(deps, places, sharer);
    if (isPublished) {
      await firewall.apply();
      await forgetFlows(ports);
    }
    await forwarded;
  } catch (error) {
    // Packets may still be led to its addresses, which nobody else may have then.
    deps.log.error("cannot take a container out of its networks", {
      id: container.id,
      error: messageOf(error),
    });
    hostPorts.give(container.id, ports);
    return;
  }
  for (const endpoint of endpoints) releaseEndpoint(ipam, endpoint);
  hostPorts.give(container.id, ports);
  await retire(deps, endpoints);
}

/** What is left of it is nobody's, and only a little room until the next start. */
async function retire(
  { network: parts, log }: JoinDeps,
  endpoints: readonly EndpointRecord[],
): Promise<void> {
  for (const endpoint of endpoints) {
    const network = parts.networks.get(endpoint.network);
    try {
      if (network !== undefined) await parts.driverOf(network).retire(network, endpoint);
    } catch (error) {
      log.warn("left for the next start", { id: endpoint.container, error: messageOf(error) });
    }
  }
}

async function withdraw(
  { network: { sandboxes } }: JoinDeps,
  places: readonly Place[],
  sharer: { readonly id: string; readonly pid: number },
): Promise<void> {
  for (const place of places)
    if (place.endpoint.interfaceName !== "") await sandboxes.disconnect(sharer, place);
}

/** Events, in the order of attachment. */
export function announceJoined(
  deps: Pick<JoinDeps, "network" | "events">,
  places: readonly Pick<Place, "network">[],
  action: "connect" | "disconnect",
  container: Container,
): void {
  for (const { network } of places) announceNetwork(deps.events, network, action, container.id);
}
