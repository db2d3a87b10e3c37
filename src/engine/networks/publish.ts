/** Which ports of the host lead to a container, and that they do. */
import { fail, type GantryError, messageOf } from "../../base/errors.ts";
import { formatIp, parseIp } from "../../base/ip-address.ts";
import { addressOf, parsePrefix } from "../../base/ip-prefix.ts";
import { driverSettings } from "../../core/network/driver-settings.ts";
import type { EndpointRecord } from "../../core/network/endpoint-record.ts";
import type { Gateways, Place } from "../../core/network/gateways.ts";
import type { ForwardedTask } from "../../core/network/port-forwarders.ts";
import {
  exposedPorts,
  type PortBinding,
  parsePortBindings,
  publishAll,
} from "../../core/network/port-bindings.ts";
import {
  type Publication,
  type PublicationContext,
  type PublicationRequest,
  publications,
} from "../../core/network/publications.ts";
import type { ContainerConfig, HostConfig } from "../../specs/engine/container.ts";
import { formatPort } from "../../specs/engine/port.ts";
import type { NetworkOptions, NetworkParts } from "./network-parts.ts";

/** "80/tcp", each once. Throws `invalid_argument` for bindings that make no sense. */
export function exposedPortsOf(config: ContainerConfig, host: HostConfig): readonly string[] {
  return exposedPorts(config.ExposedPorts, parsePortBindings(host.PortBindings ?? {})).map(formatPort);
}

/** By its gateways' networks, as Docker: a bridge that leads out. */
export function portRequests(
  config: ContainerConfig,
  host: HostConfig,
  gateways: Gateways,
  options: Pick<NetworkOptions, "hostHasIpv6" | "forwardsPorts">,
): readonly PublicationRequest[] {
  return requestsFor(boundPorts(config, host), gateways, options) ?? [];
}

/** With those that `-P` binds. */
export function boundPorts(config: ContainerConfig, host: HostConfig): readonly PortBinding[] {
  const bindings = parsePortBindings(host.PortBindings ?? {});
  return host.PublishAllPorts ? publishAll(exposedPorts(config.ExposedPorts, bindings), bindings) : bindings;
}

/** Undefined: the container has no network by which anything could be published. */
export function requestsFor(
  bindings: readonly PortBinding[],
  gateways: Gateways,
  options: Pick<NetworkOptions, "hostHasIpv6" | "forwardsPorts">,
): readonly PublicationRequest[] | undefined {
  if (bindings.length === 0) return [];
  const context = contextOf(gateways, options);
  return context === undefined ? undefined : publications(bindings, context);
}

function contextOf(
  gateways: Gateways,
  options: Pick<NetworkOptions, "hostHasIpv6" | "forwardsPorts">,
): PublicationContext | undefined {
  const [ipv4, ipv6] = [bridged(gateways.ipv4), bridged(gateways.ipv6)];
  const settings = (ipv4 ?? ipv6)?.settings;
  if (settings === undefined) return undefined;
  return {
    ipv4: addressIn(ipv4?.place.endpoint.ipv4),
    ipv6: addressIn(ipv6?.place.endpoint.ipv6),
    hostBinding: settings.hostBinding,
    routesIpv4: ipv4?.settings.ipv4Mode === "routed",
    routesIpv6: ipv6?.settings.ipv6Mode === "routed",
    hostHasIpv6: options.hostHasIpv6,
    forwardsIpv6: options.forwardsPorts,
  };
}

function bridged(place: Place | undefined) {
  if (place === undefined) return undefined;
  const settings = driverSettings(place.network);
  return settings.kind === "bridge" ? { place, settings } : undefined;
}

function addressIn(text: string | undefined) {
  const prefix = text === undefined ? undefined : parsePrefix(text);
  return prefix && addressOf(prefix);
}

/**
 * Takes the ports and writes them down. They lead to the container when the firewall has been applied. Throws `internal` (as
 * Docker, which answers with 500) in Docker's words; nothing is taken then.
 */
export async function takePorts(
  parts: Pick<NetworkParts, "networks" | "hostPorts" | "firewall">,
  container: { readonly id: string; readonly name: string },
  gateways: Gateways,
  requests: readonly PublicationRequest[],
  signal: AbortSignal,
): Promise<void> {
  if (requests.length === 0) return;
  let taken: readonly Publication[];
  try {
    taken = await parts.hostPorts.take(container.id, requests, signal);
  } catch (error) {
    throw cannotPublish(container.name, (gateways.ipv4 ?? gateways.ipv6)?.endpoint, error);
  }
  for (const place of new Set([gateways.ipv4, gateways.ipv6])) {
    if (place === undefined) continue;
    const ports = taken.filter((publication) => portsPlace(gateways, publication) === place);
    parts.networks.putEndpoint({ ...place.endpoint, ports });
  }
}

/** Has a program serve what rules cannot, as the endpoints say now. */
export async function forwardPorts(
  { networks, hostPorts, forwarders, options }: NetworkParts,
  task: ForwardedTask,
): Promise<void> {
  if (!options.forwardsPorts) return;
  await forwarders.stop(task.id); // it may be the only one that has the sockets
  const ports = networks.endpointsIn(task.id).flatMap((endpoint) => endpoint.ports);
  await forwarders.start(task, await hostPorts.forwarded(task.id, ports));
}

/**
 * After the way out has changed, in one step: the same ports of the host lead to the container's address there. Those that have no
 * such address any more are anybody's. `before`: all places that it had. Tells whether there is anything for the firewall to apply.
 */
export function movePorts(
  parts: Pick<NetworkParts, "networks" | "firewall" | "hostPorts">,
  before: readonly Place[],
  after: Gateways,
): boolean {
  const endpointOf = ({ endpoint }: Place): EndpointRecord =>
    parts.networks.endpoint(endpoint.id) ?? endpoint;
  const ports = before.flatMap((place) => endpointOf(place).ports);
  if (ports.length === 0) return false;
  const moved = ports.map((port): Publication => {
    const isIpv6 = parseIp(port.containerIp)?.family === 6;
    const place = isIpv6 ? after.ipv6 : after.ipv4;
    const address = bridged(place) && addressIn(isIpv6 ? place?.endpoint.ipv6 : place?.endpoint.ipv4);
    return { ...port, containerIp: address === undefined ? "" : formatIp(address) };
  });
  for (const place of before) {
    const endpoint = endpointOf(place);
    if (endpoint.ports.length === 0) continue;
    parts.firewall.unpublish(endpoint.id);
    if (parts.networks.endpoint(endpoint.id) !== undefined)
      parts.networks.putEndpoint({ ...endpoint, ports: [] });
  }
  for (const place of new Set([after.ipv4, after.ipv6])) {
    // A container that has ended meanwhile has none of them any more.
    if (place === undefined || parts.networks.endpoint(place.endpoint.id) === undefined) continue;
    const endpoint = {
      ...endpointOf(place),
      ports: moved.filter(
        (publication) => publication.containerIp !== "" && portsPlace(after, publication) === place,
      ),
    };
    parts.networks.putEndpoint(endpoint);
    parts.firewall.publish(place.network, endpoint);
  }
  const [container = ""] = before.map(({ endpoint }) => endpoint.container);
  parts.hostPorts.give(
    container,
    ports.filter((_, at) => moved[at]?.containerIp === ""),
  );
  return true;
}

/** The place whose address a publication leads to. */
export function portsPlace({ ipv4, ipv6 }: Gateways, { containerIp }: Publication): Place | undefined {
  return parseIp(containerIp)?.family === 6 ? ipv6 : ipv4;
}

export function cannotPublish(
  name: string,
  endpoint: EndpointRecord | undefined,
  cause: unknown,
): GantryError {
  return fail(
    "internal",
    `failed to set up container networking: driver failed programming external connectivity on endpoint ${name} (${endpoint?.id ?? ""}): ${messageOf(cause)}`,
    cause,
  );
}
