/** POST /networks/{id}/connect and /disconnect: of containers that run, and of those that do not. */
import { fail, isCategory, messageOf } from "../../base/errors.ts";
import type { KeyedLock } from "../../base/keyed-lock.ts";
import { releaseEndpoint } from "../../core/network/allocate-endpoint.ts";
import { checkConnection, checkDisconnection } from "../../core/network/check-connection.ts";
import { checkEndpoint } from "../../core/network/check-endpoint.ts";
import type { AttachmentRecord } from "../../core/network/endpoint-record.ts";
import { type Gateways, gatewaysOf, type Place, waysOf } from "../../core/network/gateways.ts";
import type { NetworkRecord } from "../../core/network/network-record.ts";
import type { Networks } from "../../core/network/networks.ts";
import type { Task } from "../../core/tasks/tasks.ts";
import type { NetworkConnectRequest, NetworkDisconnectRequest } from "../../specs/engine/network.ts";
import type { Container } from "../containers/container.ts";
import { changeHostsFile } from "../containers/network-files.ts";
import { containerPaths } from "../containers/paths.ts";
import type { ContainerStore } from "../containers/store.ts";
import { announceNetwork } from "./announce-network.ts";
import { NO_WISHES } from "./attachments.ts";
import { enterNetwork, type JoinDeps } from "./join.ts";
import type { NetworkParts } from "./network-parts.ts";
import { placesOf } from "./places.ts";
import { forwardPorts, movePorts } from "./publish.ts";
import { nameViewOf, ownAddresses, servesNames, writeResolvConf } from "./resolver.ts";

export interface ConnectDeps extends JoinDeps {
  readonly store: ContainerStore;
  readonly locks: KeyedLock;
  readonly containersDir: string;
}

/** Throws `not_found`, `forbidden`, `conflict`, `invalid_argument`; then all is as it was. */
export async function connect(
  deps: ConnectDeps,
  reference: string,
  request: NetworkConnectRequest,
): Promise<void> {
  const { networks } = deps.network;
  const network = networks.find(reference);
  const container = deps.store.find(request.Container);
  const config = request.EndpointConfig ?? NO_WISHES;
  await deps.locks.run(container.id, async () => {
    if (networks.get(network.id) === undefined) throw fail("not_found", `network ${reference} not found`);
    checkAlive(deps, container);
    const attachments = networks.attachments(container.id);
    const connected = attachments.flatMap(({ networkId }) => networks.get(networkId) ?? []);
    checkConnection(container.host.NetworkMode, connected, network);
    checkEndpoint(network.name, network, config);
    const attachment = { container: container.id, network: network.name, networkId: network.id, config };
    const { task } = container;
    if (task !== undefined) {
      if (networks.endpointsIn(container.id).some((endpoint) => endpoint.network === network.id))
        throw fail(
          "forbidden",
          `endpoint with name ${container.name} already exists in network ${network.name}`,
        );
      await changing(networks, container.id, () => come(deps, container, task, { network, attachment }));
    } else networks.attach(attachment, durabilityOf(container));
  });
}

function checkAlive({ store }: ConnectDeps, container: Container): void {
  const { status } = container.state;
  if (store.get(container.id) !== container || status === "removing" || status === "dead")
    throw fail(
      "conflict",
      `container ${container.id} is marked for removal and cannot be connected or disconnected to the network`,
    );
}

function durabilityOf({ host }: Container): "durable" | "process" {
  return host.AutoRemove ? "process" : "durable";
}

/** On crash: the container is known as one whose networks were being changed, and the next start mends it (`mend.ts`). */
async function changing(networks: Networks, container: string, work: () => Promise<void>): Promise<void> {
  networks.beginChange(container);
  try {
    await work();
  } finally {
    networks.endChange(container);
  }
}

/** On crash: what has a row has come. */
async function come(
  deps: ConnectDeps,
  container: Container,
  task: Task,
  { network, attachment }: { readonly network: NetworkRecord; readonly attachment: AttachmentRecord },
): Promise<void> {
  const parts = deps.network;
  const before = placesOf(parts.networks, container.id);
  const known = parts.networks.attachments(container.id).find((one) => one.network === network.name);
  parts.networks.attach(attachment, durabilityOf(container));
  try {
    const endpoint = enterNetwork(deps, container, { network, attachment });
    const place = { network, attachment, endpoint };
    const after = [...before, place];
    try {
      const ways = waysOf(place, NOWHERE);
      if (endpoint.interfaceName !== "") await parts.sandboxes.connect(task, { ...place, ways });
      if (servesNames(after) && !servesNames(before)) {
        await parts.sandboxes.serveNames(task, nameViewOf(parts, container));
        writeResolvConf(
          parts,
          containerPaths(deps.containersDir, container.id).resolvConf,
          container,
          [before],
          after,
        );
      }
      await settle(deps, container, task, before, after);
    } catch (error) {
      await settle(deps, container, task, after, before).catch((cause: unknown) =>
        deps.log.error("cannot undo a connection", { id: container.id, error: messageOf(cause) }),
      );
      if (!servesNames(before)) parts.sandboxes.forget(container.id);
      await withdraw(deps, task, place);
      throw error;
    }
    announceNetwork(deps.events, network, "connect", container.id);
  } catch (error) {
    if (known === undefined) parts.networks.detach(container.id, network.name, durabilityOf(container));
    else parts.networks.attach(known, durabilityOf(container));
    throw error;
  }
}

/** It comes with addresses alone: where packets leave is settled for all of them together. */
const NOWHERE: Gateways = { ipv4: undefined, ipv6: undefined };

/** Published ports, routes and the hosts file, after a network has come. */
async function settle(
  deps: ConnectDeps,
  container: Container,
  task: Task,
  before: readonly Place[],
  after: readonly Place[],
): Promise<void> {
  const parts = deps.network;
  const isMoved = parts.networks.together(() => leadPorts(parts, before, after));
  if (isMoved) await openPorts(parts, task);
  await settleInside(deps, container, task, before, after);
}

async function openPorts(parts: NetworkParts, task: Task): Promise<void> {
  await Promise.all([parts.firewall.apply(), forwardPorts(parts, task)]);
}

/** Tells whether there is anything to apply. */
function leadPorts(parts: NetworkParts, before: readonly Place[], after: readonly Place[]): boolean {
  const [old, now] = [gatewaysOf(before), gatewaysOf(after)];
  return haveChanged(old, now) && movePorts(parts, before, now);
}

async function settleInside(
  deps: ConnectDeps,
  container: Container,
  task: Task,
  before: readonly Place[],
  after: readonly Place[],
): Promise<void> {
  const now = gatewaysOf(after);
  if (haveChanged(gatewaysOf(before), now))
    await deps.network.sandboxes.reroute(
      task,
      after.map((place) => ({ ...place, ways: waysOf(place, now) })),
    );
  const [gone, come] = [ownAddresses(before), ownAddresses(after)];
  changeHostsFile(
    containerPaths(deps.containersDir, container.id).hosts,
    { hostname: container.config.Hostname, domainname: container.config.Domainname },
    {
      added: come.filter((address) => !gone.includes(address)),
      removed: gone.filter((address) => !come.includes(address)),
    },
  );
}

function haveChanged(before: Gateways, after: Gateways): boolean {
  return changed(before.ipv4, after.ipv4) || changed(before.ipv6, after.ipv6);
}

function changed(before: Place | undefined, after: Place | undefined): boolean {
  return before?.endpoint.id !== after?.endpoint.id;
}

/** Nobody has been told of it. */
async function withdraw(deps: ConnectDeps, task: Task, place: Place): Promise<void> {
  const { networks, names, ipam, sandboxes } = deps.network;
  const { endpoint, network } = place;
  // The container has ended meanwhile, and given everything back: its addresses may be somebody's by now.
  if (networks.endpoint(endpoint.id) === undefined) return;
  networks.removeEndpoint(endpoint.id);
  names.changed(network.id);
  try {
    if (endpoint.interfaceName !== "") await sandboxes.disconnect(task, place);
  } catch (error) {
    // Its addresses are still in use, and stay taken.
    deps.log.error("cannot take a container out of a network", {
      id: endpoint.container,
      network: network.name,
      error: messageOf(error),
    });
    return;
  }
  releaseEndpoint(ipam, endpoint);
}

/** Throws `not_found`, `forbidden`, `invalid_argument`. With `Force` also a container that is not there. */
export async function disconnect(
  deps: ConnectDeps,
  reference: string,
  request: NetworkDisconnectRequest,
): Promise<void> {
  const { networks } = deps.network;
  const network = networks.find(reference);
  const container = findOrForce(deps, request);
  if (container === undefined) {
    dropEndpointsNamed(deps, network, request.Container);
    return;
  }
  await deps.locks.run(container.id, async () => {
    checkAlive(deps, container);
    checkDisconnection(container.host.NetworkMode, network);
    const place = placesOf(networks, container.id).find((one) => one.network.id === network.id);
    const isAsked = networks.attachments(container.id).some(({ networkId }) => networkId === network.id);
    // Docker's words, of which there are two.
    const which = container.task === undefined ? "the network" : "network";
    if (!isAsked)
      throw fail("forbidden", `container ${container.id} is not connected to ${which} ${network.name}`);
    const { task } = container;
    if (place !== undefined && task !== undefined)
      await changing(networks, container.id, () => go(deps, container, task, place));
    networks.detach(container.id, network.name, durabilityOf(container));
    if (place !== undefined) announceNetwork(deps.events, network, "disconnect", container.id);
  });
}

function findOrForce({ store }: ConnectDeps, request: NetworkDisconnectRequest): Container | undefined {
  try {
    return store.find(request.Container);
  } catch (error) {
    if (request.Force && isCategory(error, "not_found")) return undefined;
    throw error;
  }
}

/** What a container that is gone has left. */
function dropEndpointsNamed(deps: ConnectDeps, network: NetworkRecord, reference: string): void {
  const { networks, ipam, names } = deps.network;
  const endpoint = networks
    .endpointsOf(network.id)
    .find((one) => one.container === reference || one.names[0] === reference);
  if (endpoint === undefined)
    throw fail("forbidden", `endpoint ${reference.slice(0, 300)} not found in network ${network.name}`);
  networks.removeEndpoint(endpoint.id);
  names.changed(network.id);
  releaseEndpoint(ipam, endpoint);
}

/** On crash: what has a row is still there. */
async function go(deps: ConnectDeps, container: Container, task: Task, place: Place): Promise<void> {
  const parts = deps.network;
  const { networks, names, ipam, sandboxes, firewall } = parts;
  const { endpoint, network } = place;
  const before = placesOf(networks, container.id);
  const after = before.filter((other) => other.endpoint.id !== endpoint.id);
  if (endpoint.interfaceName !== "") await sandboxes.disconnect(task, place);
  // It has ended meanwhile, and given everything back.
  if (networks.endpoint(endpoint.id) === undefined) return;
  const isPublished = networks.together(() => {
    networks.removeEndpoint(endpoint.id);
    const wasPublished = firewall.unpublish(endpoint.id);
    return leadPorts(parts, before, after) || wasPublished;
  });
  names.changed(network.id);
  if (isPublished) await openPorts(parts, task);
  await settleInside(deps, container, task, before, after);
  releaseEndpoint(ipam, endpoint);
}
