/**
 * Ports published by, and taken from, a container that exists.
 *
 * On crash: ports of the host are taken before anything is written, and go with the daemon. What is written is what the next start
 * has the firewall and the forwarder do for a container that has gone on; flows of UDP that began before may go on as they began.
 */
import { bindingDifference, changeBindings, changeExposed } from "../../core/network/change-bindings.ts";
import type { EndpointRecord } from "../../core/network/endpoint-record.ts";
import { gatewaysOf } from "../../core/network/gateways.ts";
import type { Networks } from "../../core/network/networks.ts";
import type { PortBinding } from "../../core/network/port-bindings.ts";
import type { ForwardedTask } from "../../core/network/port-forwarders.ts";
import { type Publication, published } from "../../core/network/publications.ts";
import type { NetworkingUpdate } from "../../specs/engine/update.ts";
import { formatPort } from "../../specs/engine/port.ts";
import type { Container } from "../containers/container.ts";
import type { LiveChange } from "../containers/live-change.ts";
import type { ContainerRecord } from "../containers/record.ts";
import type { NetworkParts } from "./network-parts.ts";
import { placesOf } from "./places.ts";
import {
  boundPorts,
  cannotPublish,
  exposedPortsOf,
  forwardPorts,
  portsPlace,
  requestsFor,
} from "./publish.ts";

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
  { task, signal }: { readonly task: ForwardedTask; readonly signal: AbortSignal },
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
  const wanted = (requests ?? []).flatMap((request) => published(request, ANY_PORT));
  const isForwarded = hostPorts.serves([...removed, ...wanted]);
  // It may have sockets that are in the way, and must not be found by a next daemon, which would take it for one that is up to date.
  if (isForwarded) await parts.forwarders.stop(task.id);
  const { taken, settle, undo } = await hostPorts
    .exchange(before.id, removed, requests ?? [], signal)
    .catch(async (error: unknown) => {
      if (isForwarded) await forwardPorts(parts, task);
      throw cannotPublish(before.name, (gateways.ipv4 ?? gateways.ipv6)?.endpoint, error);
    });
  const changed = (endpoint: EndpointRecord): EndpointRecord => {
    const kept = endpoint.ports.filter((port) => !removed.includes(port));
    const own = taken.filter((port) => portsPlace(gateways, port)?.endpoint.id === endpoint.id);
    return { ...endpoint, exposed, ports: [...kept, ...own] };
  };
  const change: LiveChange = {
    write: (which) => {
      for (const endpoint of endpoints) {
        const { exposed: ports, ports: publications } = which === "after" ? changed(endpoint) : endpoint;
        const now = networks.endpoint(endpoint.id) ?? endpoint;
        networks.putEndpoint({ ...now, exposed: ports, ports: publications });
      }
    },
    enforce: async () => {
      publishPlaces(parts, before.id);
      await Promise.all([parts.firewall.apply(), isForwarded ? forward(parts, task) : undefined]);
      await parts.forgetFlows([...removed, ...taken]);
    },
    settle,
    // Whoever takes one of these ports next must not find that the firewall leads it here.
    undo: async () => {
      publishPlaces(parts, before.id);
      if (isForwarded) await parts.forwarders.stop(task.id);
      await undo();
    },
  };
  return { parts: [change], warnings: requests === undefined ? added.map(nowhere) : [] };
}

/** Before a port of the host is found: whether a program serves it is a matter of addresses. */
const ANY_PORT = 1;

/** For the next application. Synchronous. */
function publishPlaces({ networks, firewall }: NetworkParts, container: string): void {
  for (const { network, endpoint } of placesOf(networks, container)) firewall.publish(network, endpoint);
}

async function forward(parts: NetworkParts, task: ForwardedTask): Promise<void> {
  try {
    await forwardPorts(parts, task);
  } finally {
    // Its container has left meanwhile.
    if (parts.networks.endpointsIn(task.id).length === 0) await parts.forwarders.stop(task.id);
  }
}

function portsOf(endpoints: readonly EndpointRecord[]): readonly Publication[] {
  return endpoints.flatMap(({ ports }) => ports);
}

function nowhere(port: PortBinding): string {
  return `port ${formatPort(port)} is not published before the next start: the container is in no network that leads out by a bridge`;
}
