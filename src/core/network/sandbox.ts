/**
 * The network namespace of a running container, furnished: its links, and the sockets on which it asks for names. The
 * namespace is the container's own; it is made with the container's process and goes with it, and so does all that is in it.
 *
 * On crash: a container whose furnishing was interrupted has not begun; it is cleared away with its namespace. The sockets of
 * a container that has begun are kept by its shim, so that questions wait for the next daemon instead of being refused; it
 * finds them by name (`adopt`).
 */
import { closeSync, openSync } from "node:fs";
import { randomInt } from "node:crypto";
import { errnoOf, fail, messageOf } from "../../base/errors.ts";
import { ipBytes, parseIp } from "../../base/ip-address.ts";
import { type DefaultRoute, setDefaultRoutes } from "../../linux/netlink/default-routes.ts";
import type { Native } from "../../linux/native.ts";
import { type LinkAddress, listAddresses } from "../../linux/netlink/addresses.ts";
import { type Link, listLinks } from "../../linux/netlink/link-listing.ts";
import { listOwn, removeListed } from "../../linux/netlink/own-links.ts";
import { networkNamespaceOf } from "../../linux/namespace-path.ts";
import type { NameServer } from "./dns/dns.ts";
import type { NameView } from "./dns/name-view.ts";
import type { Driver, Ways } from "./drivers/driver.ts";
import { interiorOf } from "./drivers/interior.ts";
import type { EndpointRecord } from "./endpoint-record.ts";
import { redirectDns } from "./firewall/dns-redirect.ts";
import { endpointMark, MARK } from "./link-names.ts";
import type { NetworkRecord } from "./network-record.ts";

/** The container's process, and its shim. */
export interface SandboxTask {
  readonly id: string;
  readonly pid: number;
  keep(name: string, descriptor: number): Promise<void>;
}

export interface Membership {
  readonly network: NetworkRecord;
  readonly endpoint: EndpointRecord;
  readonly ways: Ways;
}

export interface SandboxOptions {
  readonly native: Pick<Native, "netlink" | "boundSocket" | "closeFd" | "writeNetSettings">;
  readonly driverOf: (network: NetworkRecord) => Driver;
  readonly names: NameServer;
}

/** What the shim calls them. */
const KEPT = { udp: "dns-udp", tcp: "dns-tcp" } as const;

const RESOLVER = Uint8Array.of(127, 0, 0, 11);
/** Ports of the resolver's sockets: any above those that programs choose by themselves, and below those that the kernel does. */
const PORTS = { first: 20_000, end: 32_768 };
const PORT_ATTEMPTS = 16;

const NOWHERE: Ways = { ipv4: false, ipv6: false };

export class Sandboxes {
  readonly #options: SandboxOptions;

  constructor(options: SandboxOptions) {
    this.#options = options;
  }

  /**
   * Makes the links in order, and serves names if there is a view of them. Between the creation of the container's process and
   * its start. After a rejection links may be left: the container is to be cleared away.
   */
  async furnish(
    task: SandboxTask,
    members: readonly Membership[],
    view: (() => NameView) | undefined,
  ): Promise<void> {
    await inNamespace(task.pid, async (namespace) => {
      for (const member of members) await this.#attach(member, namespace);
      if (view !== undefined) await this.#serveNames(task, namespace, view);
    });
  }

  /** One more network for a running container. After a rejection it is as it was. */
  async connect(task: SandboxTask, member: Membership): Promise<void> {
    await inNamespace(task.pid, (namespace) => this.#attach(member, namespace));
  }

  async disconnect(
    task: Pick<SandboxTask, "pid">,
    { network, endpoint }: Omit<Membership, "ways">,
  ): Promise<void> {
    await inNamespace(task.pid, (namespace) =>
      this.#options.driverOf(network).detach(network, endpoint, namespace),
    );
  }

  /**
   * After a change of a running container that was cut off: has it the links of these endpoints, each whole, and no others of
   * ours. Links that are whole, and those that the container has made itself, stay as they are. Others come without default
   * routes (`reroute`).
   */
  async mend(task: Pick<SandboxTask, "pid">, members: readonly Membership[]): Promise<void> {
    const { native } = this.#options;
    await inNamespace(task.pid, async (namespace) => {
      const marks = new Set(members.map(({ endpoint }) => endpointMark(endpoint.container, endpoint.id)));
      for (const link of await listOwn(native, namespace, { alias: MARK, names: [] }))
        if (!marks.has(link.alias ?? "")) await removeListed(native, namespace, link);
      const [links, addresses] = [await listLinks(native, namespace), await listAddresses(native, namespace)];
      for (const member of members) {
        const link = links.find(({ name }) => name === member.endpoint.interfaceName);
        if (link !== undefined && isWhole(member, link, addresses)) continue;
        // Half of what leads out of the namespace is what was being made.
        if (link?.parentNamespace !== undefined) await removeListed(native, namespace, link);
        await this.#attach({ ...member, ways: NOWHERE }, namespace);
      }
    });
  }

  /** Has packets for elsewhere leave by those of its endpoints that the ways say, as they are after a change. */
  async reroute(task: Pick<SandboxTask, "pid">, members: readonly Membership[]): Promise<void> {
    await inNamespace(task.pid, (namespace) =>
      setDefaultRoutes(this.#options.native, namespace, members.flatMap(defaultRoutesOf)),
    );
  }

  /**
   * For a container that had no names to ask for, and has from now on. One that was served before, in networks that it has left,
   * still is. After a rejection it has none.
   */
  async serveNames(task: SandboxTask, view: () => NameView): Promise<void> {
    if (this.#options.names.has(task.id)) return;
    await inNamespace(task.pid, (namespace) => this.#serveNames(task, namespace, view));
  }

  /**
   * After a restart of the daemon: serves names on the sockets that the shim has kept, given as copies that are taken over
   * here. False when there are none.
   */
  adopt(containerId: string, kept: ReadonlyMap<string, number>, view: () => NameView): boolean {
    const [udpFd, tcpFd] = [kept.get(KEPT.udp), kept.get(KEPT.tcp)];
    for (const fd of kept.values()) if (fd !== udpFd && fd !== tcpFd) this.#options.native.closeFd(fd);
    if (udpFd === undefined || tcpFd === undefined) {
      // The other one's request was never sent: the container had not begun.
      for (const fd of [udpFd, tcpFd]) if (fd !== undefined) this.#options.native.closeFd(fd);
      return false;
    }
    this.#options.names.add(containerId, { udpFd, tcpFd }, view);
    return true;
  }

  /** Copies of what a shim has kept, which are not needed. */
  discard(kept: ReadonlyMap<string, number>): void {
    for (const fd of kept.values()) this.#options.native.closeFd(fd);
  }

  /** The container has ended. Its links are gone with it. */
  forget(containerId: string): void {
    this.#options.names.remove(containerId);
  }

  async #attach({ network, endpoint, ways }: Membership, namespace: number): Promise<void> {
    await this.#options.driverOf(network).attach(network, endpoint, namespace, interiorOf(endpoint, ways));
  }

  async #serveNames(task: SandboxTask, namespace: number, view: () => NameView): Promise<void> {
    const { native, names } = this.#options;
    const udp = await this.#bind(namespace, "udp");
    const tcp = await this.#bind(namespace, "tcp").catch((error: unknown) => {
      native.closeFd(udp.fd);
      throw error;
    });
    try {
      await redirectDns(native, namespace, { udp: udp.port, tcp: tcp.port });
      await task.keep(KEPT.udp, udp.fd);
      await task.keep(KEPT.tcp, tcp.fd);
    } catch (error) {
      native.closeFd(udp.fd);
      native.closeFd(tcp.fd);
      throw error;
    }
    names.add(task.id, { udpFd: udp.fd, tcpFd: tcp.fd }, view);
  }

  async #bind(
    namespace: number,
    type: "udp" | "tcp",
  ): Promise<{ readonly fd: number; readonly port: number }> {
    for (let attempt = 1; ; attempt++) {
      const port = randomInt(PORTS.first, PORTS.end);
      const wish = { type, address: RESOLVER, port, listen: type === "tcp" } as const;
      try {
        return { fd: await this.#options.native.boundSocket(namespace, wish), port };
      } catch (error) {
        if (errnoOf(error) !== "EADDRINUSE" || attempt === PORT_ATTEMPTS)
          throw fail("internal", `cannot make the resolver's socket: ${messageOf(error)}`, error);
      }
    }
  }
}

function defaultRoutesOf({ endpoint, ways }: Membership): readonly DefaultRoute[] {
  const link = endpoint.interfaceName;
  const route = (family: DefaultRoute["family"], gateway: string): DefaultRoute => {
    const address = parseIp(gateway);
    return { link, family, gateway: address && ipBytes(address) };
  };
  return [
    ...(ways.ipv4 ? [route("ipv4", endpoint.ipv4Gateway)] : []),
    ...(ways.ipv6 ? [route("ipv6", endpoint.ipv6Gateway)] : []),
  ];
}

/** A link is up last of all. */
function isWhole(
  { endpoint, ways }: Membership,
  { index, up }: Link,
  addresses: readonly LinkAddress[],
): boolean {
  const its = addresses.filter(({ link }) => link === index);
  return (
    up &&
    interiorOf(endpoint, ways).addresses.every(({ address }) =>
      its.some((one) => Buffer.compare(one.address, address) === 0),
    )
  );
}

/** The process waits, or runs under a shim that is to be asked first whether it does: its number is nobody else's. */
async function inNamespace<T>(pid: number, work: (namespace: number) => Promise<T>): Promise<T> {
  const namespace = openSync(networkNamespaceOf(pid), "r");
  try {
    return await work(namespace);
  } finally {
    closeSync(namespace);
  }
}
