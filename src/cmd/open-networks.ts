/** The networks of the daemon, put together: which implementations, and with what of daemon.json. */
import { join } from "node:path";
import { type IpPrefix, prefixOf } from "../base/ip-prefix.ts";
import { ipOfBytes } from "../base/ip-address.ts";
import { KeyedLock } from "../base/keyed-lock.ts";
import type { Logger } from "../base/log.ts";
import type { Metadata } from "../core/metadata/metadata.ts";
import { OWN_BRIDGE, planDefaultBridge } from "../core/network/default-bridge.ts";
import { DnsServer } from "../core/network/dns/server.ts";
import { BelowDriver } from "../core/network/drivers/below.ts";
import { BridgeDriver } from "../core/network/drivers/bridge.ts";
import { type Driver, NO_DRIVER } from "../core/network/drivers/driver.ts";
import { FALLBACK_EPHEMERAL } from "../core/network/find-host-port.ts";
import { HostFirewall, type HostFirewallOptions } from "../core/network/firewall/host-firewall.ts";
import { FirewallKeeper } from "../core/network/firewall/keeper.ts";
import { firewallOptions, wantsPassages } from "../core/network/firewall/settings.ts";
import { forgetPublished } from "../core/network/forget-published.ts";
import { HostForwarding } from "../core/network/host-forwarding.ts";
import { HostPorts } from "../core/network/host-ports.ts";
import { Ipam } from "../core/network/ipam.ts";
import { NameViews } from "../core/network/name-views.ts";
import type { NetworkRecord } from "../core/network/network-record.ts";
import { Networks } from "../core/network/networks.ts";
import { isForwarded, PortForwarders } from "../core/network/port-forwarders.ts";
import { DEFAULT_POOLS, poolsOf } from "../core/network/pools.ts";
import { Sandboxes } from "../core/network/sandbox.ts";
import { sweepLinks } from "../core/network/sweep-links.ts";
import type { NetworkOptions, NetworkParts } from "../engine/networks/network-parts.ts";
import { predefineNetworks } from "../engine/networks/predefined.ts";
import { hasIpv6, readNetSetting } from "../linux/net-settings.ts";
import { startForwarder } from "../linux/forwarder.ts";
import type { Native } from "../linux/native.ts";
import { listAddresses } from "../linux/netlink/addresses.ts";
import { PROTOCOL } from "../linux/netlink/exchange.ts";
import { KeptSocket } from "../linux/netlink/kept-socket.ts";
import { findLink } from "../linux/netlink/link-listing.ts";
import { listRoutes } from "../linux/netlink/routes.ts";
import type { PortRange } from "../specs/engine/port.ts";
import {
  defaultBridgeConfig,
  firewallSettings,
  NETWORK_DEFAULTS,
  type NetworkSettings,
} from "./network-settings.ts";
import { hostResolver } from "./host-resolver.ts";

type Settings = NetworkSettings & Required<Pick<NetworkSettings, keyof typeof NETWORK_DEFAULTS>>;

export interface NetworkHost {
  readonly network: NetworkParts;
  readonly predefine: () => Promise<void>;
  readonly sweepLinks: () => Promise<void>;
  /** Puts right what others have changed in the firewall, and says so. */
  readonly reconcile: () => Promise<void>;
}

export interface NetworkHostInput {
  readonly native: Native;
  readonly metadata: Metadata;
  readonly log: Logger;
  /** Of this engine. */
  readonly hostId: string;
  readonly execRoot: string;
  /** The program that forwarders are started from. */
  readonly shim: string;
  readonly settings: NetworkSettings;
}

/** Reads what is stored; nothing is made in the kernel yet. Throws `invalid_argument` for settings that make no sense. */
export function openNetworks(input: NetworkHostInput): NetworkHost {
  const { native, metadata, hostId, execRoot } = input;
  const log = input.log.with({ component: "networks" });
  const settings: Settings = { ...NETWORK_DEFAULTS, ...input.settings };
  const firewall = firewallSettings(settings);
  const forwarding = new HostForwarding(
    native,
    {
      ipForward: settings.ipForward,
      noDrop: settings.ipForwardNoDrop,
      ipv4: firewall.iptables,
      ipv6: firewall.ip6tables,
      path: join(execRoot, "forwarding.json"),
    },
    log,
  );
  const tableOptions = (): HostFirewallOptions => ({
    ...firewallOptions(firewall, forwarding.closed),
    opensPassages: wantsPassages(firewall),
  });
  const filter = new KeptSocket(native, PROTOCOL.netfilter);
  const hostFirewall = new HostFirewall(filter, undefined, tableOptions());
  const networks = new Networks(metadata, log);
  const bridge = new BridgeDriver(native);
  const below = new BelowDriver(native);
  const driverOf = ({ driver }: NetworkRecord): Driver => {
    if (driver === "bridge") return bridge;
    return driver === "macvlan" || driver === "ipvlan" ? below : NO_DRIVER;
  };
  const network: NetworkParts = {
    networks,
    ipam: new Ipam(poolsOf(settings.addressPools ?? DEFAULT_POOLS, hostId)),
    driverOf,
    sandboxes: new Sandboxes({ native, driverOf, names: new DnsServer({ native, log }) }),
    firewall: new FirewallKeeper(hostFirewall),
    hostPorts: new HostPorts(native, ephemeralPorts(), (publication) =>
      isForwarded(publication, { ipv4: firewall.iptables, ipv6: firewall.ip6tables }),
    ),
    forwarders: new PortForwarders(native, (wish) => startForwarder(native, input.shim, wish), log),
    names: new NameViews(networks),
    locks: new KeyedLock(),
    hostResolver: () => hostResolver(settings.resolvConf),
    prepareHost: async (record) => {
      if (await forwarding.enableFor(record)) hostFirewall.replaceOptions(tableOptions());
    },
    hostRoutes: () => hostRoutes(native),
    forgetFlows: (publications) => forgetPublished(native, publications),
    options: networkOptions(settings),
  };
  const config = defaultBridgeConfig(settings);
  planDefaultBridge(config, []); // mistakes are told before anything is made
  const plan = async () =>
    config.bridge === "none"
      ? undefined
      : planDefaultBridge(config, await addressesOf(native, config.bridge || OWN_BRIDGE));
  let told: ReadonlySet<string> = new Set();
  const reconcile = async (): Promise<void> => {
    const { mended, warnings } = await hostFirewall.reconcile();
    if (mended.length > 0)
      log.warn("somebody has changed the firewall, which is mended", { parts: mended.join(", ") });
    for (const warning of warnings) if (!told.has(warning)) log.warn(warning);
    told = new Set(warnings);
  };
  return {
    network,
    reconcile,
    predefine: () => predefineNetworks({ network, log }, plan),
    sweepLinks: async () => {
      const removed = await sweepLinks(native, undefined, networks);
      if (removed.length > 0) log.info("deleted links that were nobody's", { links: removed.join(" ") });
      await reconcile();
    },
  };
}

function networkOptions(settings: Settings): NetworkOptions {
  const {
    dns,
    dnsSearch,
    dnsOptions,
    hostGatewayIps,
    defaultExtraHosts,
    networkOptions = {},
    addressPools = [],
    userlandProxy,
  } = settings;
  return {
    networkOptions,
    addressPools,
    dns,
    dnsSearch,
    dnsOptions,
    hostGatewayIps,
    defaultExtraHosts,
    hostHasIpv6: hasIpv6(),
    forwardsPorts: userlandProxy,
    firewall: firewallSettings(settings),
  };
}

async function hostRoutes(native: Native): Promise<readonly IpPrefix[]> {
  const routes = await listRoutes(native, undefined);
  return routes.map(({ destination }) => prefixOf(ipOfBytes(destination.address), destination.prefix));
}

async function addressesOf(native: Native, name: string): Promise<readonly IpPrefix[]> {
  const link = await findLink(native, undefined, name);
  if (link === undefined) return [];
  const addresses = await listAddresses(native, undefined);
  return addresses
    .filter((each) => each.link === link.index)
    .map(({ address, prefix }) => prefixOf(ipOfBytes(address), prefix));
}

function ephemeralPorts(): PortRange {
  const [first = 0, last = 0] = readNetSetting("ipv4/ip_local_port_range").split(/\s+/).map(Number);
  return first > 0 && last >= first ? { first, last } : FALLBACK_EPHEMERAL;
}
