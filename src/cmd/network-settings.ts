/** What the daemon is told about networks, by flags and by daemon.json (network-settings-keys.ts), and what is so when it is told nothing. Pure. */
import { fail } from "../base/errors.ts";
import { DEFAULT_BRIDGE_CONFIG, type DefaultBridgeConfig } from "../core/network/default-bridge.ts";
import {
  DEFAULT_FIREWALL_SETTINGS,
  type FirewallMode,
  type FirewallSettings,
} from "../core/network/firewall/settings.ts";
import type { AddressPool } from "../core/network/pools.ts";

/** Absent = not said. */
export interface NetworkSettings extends Partial<DefaultBridgeConfig> {
  readonly addressPools?: readonly AddressPool[];
  /** Options of networks without the option, by driver. */
  readonly networkOptions?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly iptables?: boolean;
  readonly ip6tables?: boolean;
  /** There is no other. */
  readonly firewallBackend?: "nftables";
  readonly firewallMode?: FirewallMode;
  readonly allowDirectRouting?: boolean;
  readonly acceptMark?: NonNullable<FirewallSettings["acceptMark"]>;
  readonly ipForward?: boolean;
  readonly ipForwardNoDrop?: boolean;
  readonly userlandProxy?: boolean;
  /** Servers, domains and options for the resolv.conf of containers that name none. */
  readonly dns?: readonly string[];
  readonly dnsSearch?: readonly string[];
  readonly dnsOptions?: readonly string[];
  /** What containers' resolv.conf are made from; "" = the host's. */
  readonly resolvConf?: string;
  /** What "host-gateway" stands for: at most one address of each family; of one that is not there, the default bridge's. */
  readonly hostGatewayIps?: readonly string[];
  /** "name:address" for the hosts file of containers that say nothing of the name. */
  readonly defaultExtraHosts?: readonly string[];
}

/** Docker's, but for `defaultExtraHosts`. */
export const NETWORK_DEFAULTS = {
  ipForward: true,
  ipForwardNoDrop: false,
  userlandProxy: true,
  dns: [],
  dnsSearch: [],
  dnsOptions: [],
  resolvConf: "",
  hostGatewayIps: [],
  defaultExtraHosts: ["host.docker.internal:host-gateway"],
} as const satisfies NetworkSettings;

/** Throws `invalid_argument` for a bridge by name together with an address for it: it has its own. */
export function defaultBridgeConfig(settings: NetworkSettings): DefaultBridgeConfig {
  const said = { ...DEFAULT_BRIDGE_CONFIG, ...settings };
  const { bip, bip6, fixedCidr, fixedCidrV6, defaultGateway, defaultGatewayV6, bridge } = said;
  const { ipv6, icc, ipMasq, ip, mtu } = said;
  if (bridge !== "" && bip !== "")
    throw fail(
      "invalid_argument",
      "you specified -b & --bip, mutually exclusive options. Please specify only one",
    );
  const addresses = { bip, bip6, fixedCidr, fixedCidrV6, defaultGateway, defaultGatewayV6 };
  return { ...addresses, bridge, ipv6, icc, ipMasq, ip, mtu };
}

export function firewallSettings(settings: NetworkSettings): FirewallSettings {
  const { iptables, ip6tables, mode, allowDirectRouting } = DEFAULT_FIREWALL_SETTINGS;
  return {
    iptables: settings.iptables ?? iptables,
    ip6tables: settings.ip6tables ?? ip6tables,
    mode: settings.firewallMode ?? mode,
    allowDirectRouting: settings.allowDirectRouting ?? allowDirectRouting,
    acceptMark: settings.acceptMark,
  };
}
