/**
 * Ports published by, and taken from, a container that exists.
 *
 * On crash: ports of the host are taken before anything is written, and go with the daemon. What is written is what the next start
 * has the firewall do for a container that has gone on; flows of UDP that began before may go on as they began then.
 */
import { bindingDifference, changeBindings, changeExposed } from "../../core/network/change-bindings.ts";
import type { EndpointRecord } from "../../core/network/endpoint-record.ts";
import { gatewaysOf } from "../../core/network/gateways.ts";
import type { Networks } from "../../core/network/networks.ts";
import type { PortBinding } from "../../core/network/port-bindings.ts";
import type { Publication } from "../../core/network/publications.ts";
import type { NetworkingUpdate } from "../../specs/engine/update.ts";
import { formatPort } from "../../specs/engine/port.ts";
import type { Container } from "../containers/container.ts";
import type { LiveChange } from "../containers/live-change.ts";
import type { ContainerRecord } from "../containers/record.ts";
import type { NetworkParts } from "./network-parts.ts";
import { placesOf } from "./places.ts";
import { boundPorts, cannotPublish, exposedPortsOf, portsPlace, requestsFor } from "./publish.ts";

export function wantsPorts({ PublishAdd, PublishRemove }: NetworkingUpdate): boolean {
  return Object.keys(PublishAdd).length > 0 || Object.keys(PublishRemove).length > 0;
}

/** The record with the bindings changed. Throws `invalid_argument`, `unavailable`. */
export function withPorts(
  networks: Pick<Networks, "endpointsIn">,
  { id, record }: Container,
  wanted: NetworkingUpdate,
): ContainerRecord {
  if (!wantsPorts(wanted)) return record;
  const { config, host } = record;
  const before = host.PortBindings ?? {};
  const changes = { add: wanted.PublishAdd, remove: wanted.PublishRemove };
  const after = changeBindings(before, changes, portsOf(networks.endpointsIn(id)));
  return {
    ...record,
    config: { ...config, ExposedPorts: changeExposed(config.ExposedPorts, before, after) },
    host: { ...host, PortBindings: after },
  };
}

/**
 * For one that runs: ports of the host are taken when this resolves. Throws `unavailable` in Docker's words; nothing is taken then.
 */
export async function changePorts(
  parts: NetworkParts,
  before: Container,
  after: Pick<Container, "config" | "host">,
  signal: AbortSignal,
): Promise<{ readonly parts: readonly LiveChange[]; readonly warnings: readonly string[] }> {
  const { networks, hostPorts } = parts;
  const endpoints = networks.endpointsIn(before.id);
  const { added, removed } = bindingDifference(
    boundPorts(before.config, before.host),
    boundPorts(after.config, after.host),
    portsOf(endpoints),
  );
  const exposed = exposedPortsOf(after.config, after.host);
  const isExposed = String(exposedPortsOf(before.config, before.host)) === String(exposed);
  if (added.length === 0 && removed.length === 0 && isExposed) return { parts: [], warnings: [] };
  const gateways = gatewaysOf(placesOf(networks, before.id));
  const requests = requestsFor(added, gateways, parts.options);
  const { taken, settle, undo } = await hostPorts
    .exchange(before.id, removed, requests ?? [], signal)
    .catch((error: unknown) => {
      throw cannotPublish(before.name, (gateways.ipv4 ?? gateways.ipv6)?.endpoint, error);
    });
  const published = (endpoint: EndpointRecord): EndpointRecord => {
    const kept = endpoint.ports.filter((port) => !removed.includes(port));
    const own = taken.filter((port) => portsPlace(gateways, port)?.endpoint.id === endpoint.id);
    return { ...endpoint, exposed, ports: [...kept, ...own] };
  };
  const change: LiveChange = {
    write: (which) => {
      for (const endpoint of endpoints) {
        const { exposed: ports, ports: publications } = which === "after" ? published(endpoint) : endpoint;
        const now = networks.endpoint(endpoint.id) ?? endpoint;
        networks.putEndpoint({ ...now, exposed: ports, ports: publications });
      }
    },
    enforce: () => enforcePorts(parts, before.id, [...removed, ...taken]),
    settle,
    undo,
  };
  return { parts: [change], warnings: requests === undefined ? added.map(nowhere) : [] };
}

async function enforcePorts(
  { networks, firewall, forgetFlows }: NetworkParts,
  container: string,
  changed: readonly Publication[],
): Promise<void> {
  for (const { network, endpoint } of placesOf(networks, container)) firewall.publish(network, endpoint);
  await firewall.apply();
  await forgetFlows(changed);
}

function portsOf(endpoints: readonly EndpointRecord[]): readonly Publication[] {
  return endpoints.flatMap(({ ports }) => ports);
}

function nowhere(port: PortBinding): string {
  return `port ${formatPort(port)} is not published before the next start: the container is in no network that leads out by a bridge`;
}
