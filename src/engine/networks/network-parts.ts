/** What the verbs of networks, and those of containers that are in some, work with. */
import type { KeyedLock } from "../../base/keyed-lock.ts";
import type { IpPrefix } from "../../base/ip-prefix.ts";
import type { Driver } from "../../core/network/drivers/driver.ts";
import type { FirewallSettings } from "../../core/network/firewall/settings.ts";
import type { FirewallKeeper } from "../../core/network/firewall/keeper.ts";
import type { HostPorts } from "../../core/network/host-ports.ts";
import type { Ipam } from "../../core/network/ipam.ts";
import type { NameViews } from "../../core/network/name-views.ts";
import type { NetworkRecord } from "../../core/network/network-record.ts";
import type { Networks } from "../../core/network/networks.ts";
import type { AddressPool } from "../../core/network/pools.ts";
import type { PortForwarders } from "../../core/network/port-forwarders.ts";
import type { Publication } from "../../core/network/publications.ts";
import type { HostResolver } from "../../core/network/resolv-conf.ts";
import type { Sandboxes } from "../../core/network/sandbox.ts";

export interface NetworkOptions {
  /** Options of networks without the option, by driver. */
  readonly networkOptions: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** What subnets are cut from, as the user says; empty = Docker's. */
  readonly addressPools: readonly AddressPool[];
  /** For containers that say nothing themselves. */
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOptions: readonly string[];
  /** What "host-gateway" stands for; empty = the default bridge's own addresses. */
  readonly hostGatewayIps: readonly string[];
  /** "name:address", in the hosts file of every container that has a way out. */
  readonly defaultExtraHosts: readonly string[];
  readonly hostHasIpv6: boolean;
  /** A program forwards ports that rules cannot: daemon.json's `userland-proxy`. */
  readonly forwardsPorts: boolean;
  readonly firewall: FirewallSettings;
}

export interface NetworkParts {
  readonly networks: Networks;
  readonly ipam: Ipam;
  readonly driverOf: (network: NetworkRecord) => Driver;
  readonly sandboxes: Pick<
    Sandboxes,
    "furnish" | "connect" | "disconnect" | "mend" | "serveNames" | "adopt" | "discard" | "forget" | "reroute"
  >;
  readonly firewall: FirewallKeeper;
  readonly hostPorts: HostPorts;
  readonly forwarders: PortForwarders;
  readonly names: NameViews;
  /** Networks come and go one after the other. */
  readonly locks: KeyedLock;
  /** The host's resolv.conf as it is now. */
  readonly hostResolver: () => HostResolver;
  /** What the host has to have switched on for a network. */
  readonly prepareHost: (network: NetworkRecord) => Promise<void>;
  /** Where the host's packets go already. */
  readonly hostRoutes: () => Promise<readonly IpPrefix[]>;
  /** Flows of UDP go on as they began, whatever the firewall says by now, until they are forgotten. */
  readonly forgetFlows: (publications: readonly Publication[]) => Promise<void>;
  readonly options: NetworkOptions;
}
