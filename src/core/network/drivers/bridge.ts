/**
 * The driver "bridge": a bridge for each network, and for each endpoint a pair of veth links with one end in the container and
 * the other a port of the bridge. Who may reach whom is the firewall's matter, but for neighbours that may not talk to each
 * other: their packets never leave the bridge, so its ports keep them apart.
 */
import { fail } from "../../../base/errors.ts";
import { parseCidr, prefixOf } from "../../../base/ip-prefix.ts";
import { parseIp } from "../../../base/ip-address.ts";
import type { Subnet } from "../../../linux/netlink/addresses.ts";
import { filtersBridges } from "../../../linux/net-settings.ts";
import { attachVeth, detachVeth } from "../../../linux/netlink/attach-veth.ts";
import { makeBridge } from "../../../linux/netlink/host-links.ts";
import { findLink, type Link } from "../../../linux/netlink/link-listing.ts";
import type { BridgePort } from "../../../linux/netlink/links.ts";
import { type Kernel, removeOwn } from "../../../linux/netlink/own-links.ts";
import { limitRates, removeShaper } from "../../../linux/netlink/rates.ts";
import { type BridgeSettings, driverSettings } from "../driver-settings.ts";
import { isLimited, kernelRates } from "../endpoint-rates.ts";
import type { EndpointRecord } from "../endpoint-record.ts";
import { bridgeNameOf, endpointMark, hostLinkOf, MARK, networkMark } from "../link-names.ts";
import type { NetworkRecord } from "../network-record.ts";
import type { SubnetConfig } from "../subnet-config.ts";
import type { Driver, Interior } from "./driver.ts";
import { macBytes, subnetOf } from "./interior.ts";

export class BridgeDriver implements Driver {
  readonly #native: Kernel;
  /** Where the bridges are: undefined is this process's own network namespace. */
  readonly #host: number | undefined;
  /** Indexes of bridges, by network: one that turns out to be wrong is looked up again. */
  readonly #indexes = new Map<string, number>();

  constructor(native: Kernel, host?: number) {
    this.#native = native;
    this.#host = host;
  }

  async raise(network: NetworkRecord): Promise<void> {
    await this.#raise(network);
  }

  async #raise(network: NetworkRecord): Promise<number> {
    const settings = settingsOf(network);
    const index =
      (await this.#others(network))?.index ??
      (await makeBridge(this.#native, this.#host, {
        name: bridgeNameOf(network),
        alias: networkMark(network.id),
        mac: bridgeMac(network.id),
        mtu: mtuOf(settings),
        addresses: gatewayAddresses(network, settings),
      }));
    await this.#native.writeNetSettings(this.#host, hostSettings(bridgeNameOf(network), network.hasIpv6));
    this.#indexes.set(network.id, index);
    return index;
  }

  /** A bridge that the network was given by name and somebody else looks after: it stays as it is. */
  async #others(network: NetworkRecord): Promise<Link | undefined> {
    if (settingsOf(network).bridgeName === "") return undefined;
    const link = await findLink(this.#native, this.#host, bridgeNameOf(network));
    const isOthers = link?.kind === "bridge" && !(link.alias ?? "").startsWith(MARK);
    return isOthers ? link : undefined;
  }

  async lower(network: NetworkRecord): Promise<void> {
    this.#indexes.delete(network.id);
    if ((await this.#others(network)) !== undefined) return;
    await removeOwn(this.#native, this.#host, {
      name: bridgeNameOf(network),
      alias: networkMark(network.id),
    });
  }

  async attach(
    network: NetworkRecord,
    endpoint: EndpointRecord,
    namespace: number,
    interior: Interior,
  ): Promise<void> {
    const known = this.#indexes.get(network.id);
    try {
      await this.#attachTo(known ?? (await this.#raise(network)), network, endpoint, { namespace, interior });
    } catch (error) {
      if (known === undefined || (await this.#isThere(network, known))) throw error;
      // Somebody has deleted the bridge.
      await this.#attachTo(await this.#raise(network), network, endpoint, { namespace, interior });
    }
  }

  async #isThere(network: NetworkRecord, index: number): Promise<boolean> {
    return (await findLink(this.#native, this.#host, bridgeNameOf(network)))?.index === index;
  }

  async #attachTo(
    bridge: number,
    network: NetworkRecord,
    endpoint: EndpointRecord,
    { namespace, interior }: { readonly namespace: number; readonly interior: Interior },
  ): Promise<void> {
    const settings = settingsOf(network);
    await attachVeth(this.#native, {
      ...markOf(endpoint),
      namespace: this.#host,
      bridge,
      port: portOf(settings),
      rates: isLimited(endpoint.rates) ? kernelRates(endpoint.rates) : undefined,
      inside: {
        addresses: interior.addresses,
        routes: interior.routes,
        namespace,
        name: endpoint.interfaceName,
        mac: macBytes(endpoint.macAddress),
        mtu: mtuOf(settings),
      },
    });
  }

  async detach(_network: NetworkRecord, endpoint: EndpointRecord): Promise<void> {
    await detachVeth(this.#native, { ...markOf(endpoint), namespace: this.#host });
  }

  async limit(_network: NetworkRecord, endpoint: EndpointRecord): Promise<void> {
    const rates = endpoint.rates === undefined ? {} : kernelRates(endpoint.rates);
    await limitRates(this.#native, this.#host, markOf(endpoint), rates);
  }

  async retire(_network: NetworkRecord, endpoint: EndpointRecord): Promise<void> {
    if (endpoint.rates !== undefined) await removeShaper(this.#native, this.#host, markOf(endpoint));
  }
}

/**
 * Where packets between ports of a bridge pass the firewall (br_netfilter), a container's packets to its own published port are
 * led back to it there, and have to leave by the port they came from.
 */
function portOf({ allowsNeighbours }: BridgeSettings): BridgePort | undefined {
  const hairpin = filtersBridges();
  if (allowsNeighbours && !hairpin) return undefined;
  return { isolated: !allowsNeighbours, hairpin };
}

function hostSettings(bridge: string, hasIpv6: boolean): readonly (readonly [name: string, value: string])[] {
  return [
    // Without it nothing that comes from 127.0.0.1 could be led to a container.
    [`net/ipv4/conf/${bridge}/route_localnet`, "1"],
    // Nobody else has the bridge's link-local address. It is what the host asks with for whom it forwards to: two seconds in which
    // it is being looked for would be two seconds in which a container that has just started is not reached.
    ...(hasIpv6 ? [[`net/ipv6/conf/${bridge}/accept_dad`, "0"] as const] : []),
  ];
}

function settingsOf(network: NetworkRecord): BridgeSettings {
  const settings = driverSettings(network);
  if (settings.kind !== "bridge") throw fail("internal", `network "${network.id}" is no bridge`);
  return settings;
}

/** Its own: otherwise it would be that of a port, and another one whenever ports come and go, which containers remember. */
function bridgeMac(networkId: string): Uint8Array {
  return Uint8Array.from([0x02, 0x47, ...Buffer.from(networkId.slice(0, 8), "hex")]);
}

function mtuOf({ mtu }: BridgeSettings): number | undefined {
  return mtu === 0 ? undefined : mtu;
}

function markOf({ id, container }: EndpointRecord): { readonly name: string; readonly alias: string } {
  return { name: hostLinkOf(id), alias: endpointMark(container, id) };
}

/** The bridge is its networks' gateway unless they have none, or another one. */
function gatewayAddresses(network: NetworkRecord, settings: BridgeSettings): readonly Subnet[] {
  const { ipv4, ipv6 } = network.subnets;
  return [...(settings.inhibitsIpv4 ? [] : gatewaysOf(ipv4)), ...gatewaysOf(ipv6)];
}

function gatewaysOf(configs: readonly SubnetConfig[]): readonly Subnet[] {
  return configs.flatMap(({ subnet, gateway }) => {
    const address = parseIp(gateway);
    return address === undefined ? [] : [subnetOf(prefixOf(address, parseCidr(subnet).bits))];
  });
}
