/**
 * The drivers "macvlan" and "ipvlan": a container's link has an interface of the host for its parent and is on that one's
 * wire. The parent is there already, or is a VLAN of it or a dummy that is made for the network.
 */
import { fail } from "../../../base/errors.ts";
import { attachBelow, detachBelow } from "../../../linux/netlink/attach-below.ts";
import { makeHostLink } from "../../../linux/netlink/host-links.ts";
import { findLink, listLinks } from "../../../linux/netlink/link-listing.ts";
import type { LinkKind } from "../../../linux/netlink/links.ts";
import { type Kernel, removeOwn } from "../../../linux/netlink/own-links.ts";
import { driverSettings, type IpvlanSettings, type MacvlanSettings } from "../driver-settings.ts";
import { checkRatesIn } from "../endpoint-rates.ts";
import type { EndpointRecord } from "../endpoint-record.ts";
import { dummyNameOf, endpointMark, networkMark } from "../link-names.ts";
import type { NetworkRecord } from "../network-record.ts";
import { vlanParent } from "../vlan-parent.ts";
import type { Driver, Interior } from "./driver.ts";
import { macBytes } from "./interior.ts";

type Settings = MacvlanSettings | IpvlanSettings;

export class BelowDriver implements Driver {
  readonly #native: Kernel;
  /** Where the parents are: undefined is this process's own network namespace. */
  readonly #host: number | undefined;

  constructor(native: Kernel, host?: number) {
    this.#native = native;
    this.#host = host;
  }

  async raise(network: NetworkRecord): Promise<void> {
    await this.#parent(network);
  }

  /** Its index. */
  async #parent(network: NetworkRecord): Promise<number> {
    const { parent } = settingsOf(network);
    const name = parent === "" ? dummyNameOf(network.id) : parent;
    const found = await findLink(this.#native, this.#host, name);
    if (found !== undefined) return found.index;
    return await makeHostLink(this.#native, this.#host, {
      name,
      alias: networkMark(network.id),
      type: parent === "" ? { kind: "dummy" } : await this.#vlan(parent),
      addresses: [],
    });
  }

  async #vlan(name: string): Promise<Extract<LinkKind, { kind: "vlan" }>> {
    const links = await listLinks(this.#native, this.#host);
    const indexOf = (carrier: string): number | undefined =>
      links.find((link) => link.name === carrier)?.index;
    const { carrier, vlan } = vlanParent(name, (each) => indexOf(each) !== undefined);
    return { kind: "vlan", parent: indexOf(carrier) ?? 0, id: vlan };
  }

  /** What was there before the network stays. */
  async lower(network: NetworkRecord): Promise<void> {
    const { parent } = settingsOf(network);
    const name = parent === "" ? dummyNameOf(network.id) : parent;
    const alias = networkMark(network.id);
    const link = await findLink(this.#native, this.#host, name);
    if (link?.alias === alias) await removeOwn(this.#native, this.#host, { name, alias });
  }

  async attach(
    network: NetworkRecord,
    endpoint: EndpointRecord,
    namespace: number,
    interior: Interior,
  ): Promise<void> {
    const settings = settingsOf(network);
    await attachBelow(this.#native, {
      namespace: this.#host,
      type: linkKind(settings, await this.#parent(network)),
      alias: endpointMark(endpoint.container, endpoint.id),
      inside: {
        addresses: interior.addresses,
        routes: isRouted(settings) ? routesWithoutGateway(interior) : interior.routes,
        namespace,
        name: endpoint.interfaceName,
        // ipvlan links have their parent's.
        mac: settings.kind === "macvlan" ? macBytes(endpoint.macAddress) : undefined,
      },
    });
  }

  async detach(_network: NetworkRecord, endpoint: EndpointRecord, namespace: number): Promise<void> {
    await detachBelow(this.#native, {
      alias: endpointMark(endpoint.container, endpoint.id),
      inside: { namespace, name: endpoint.interfaceName, addresses: [], routes: [] },
    });
  }

  async limit(network: NetworkRecord, { rates }: EndpointRecord): Promise<void> {
    checkRatesIn(network, rates);
  }

  async retire(): Promise<void> {}
}

function settingsOf(network: NetworkRecord): Settings {
  const settings = driverSettings(network);
  if (settings.kind !== "macvlan" && settings.kind !== "ipvlan")
    throw fail("internal", `network "${network.id}" has no parent`);
  return settings;
}

function linkKind(settings: Settings, parent: number): Extract<LinkKind, { kind: "macvlan" | "ipvlan" }> {
  return settings.kind === "macvlan"
    ? { kind: "macvlan", parent, mode: settings.mode }
    : { kind: "ipvlan", parent, mode: settings.mode, isolation: settings.flag };
}

/** Where the parent routes for its links nobody is asked who has an address, so there is no gateway either. */
function isRouted(settings: Settings): boolean {
  return settings.kind === "ipvlan" && settings.mode !== "l2";
}

function routesWithoutGateway({ ways }: Interior): Interior["routes"] {
  const everything = (bytes: number): Interior["routes"][number] => ({
    destination: { address: new Uint8Array(bytes), prefix: 0 },
  });
  return [...(ways.ipv4 ? [everything(4)] : []), ...(ways.ipv6 ? [everything(16)] : [])];
}
