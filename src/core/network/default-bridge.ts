/**
 * The network "bridge", which every daemon has: what daemon.json and flags say of it, as a plan like any other network's.
 * Pure.
 */
import { formatIp, type IpAddress, type IpFamily, parseIp } from "../../base/ip-address.ts";
import { fail } from "../../base/errors.ts";
import {
  addressOf,
  containsAddress,
  containsPrefix,
  formatPrefix,
  type IpPrefix,
  masked,
  parsePrefix,
  prefixOf,
} from "../../base/ip-prefix.ts";
import {
  BRIDGE_NAME,
  DEFAULT_BRIDGE,
  DRIVER_MTU,
  driverSettings,
  ENABLE_ICC,
  ENABLE_IP_MASQUERADE,
  HOST_BINDING_IPV4,
} from "./driver-settings.ts";
import { checkIpv6Subnet, type NetworkPlan } from "./plan-network.ts";
import type { SubnetConfig } from "./subnet-config.ts";

/** Keys of daemon.json; "" = not said. */
export interface DefaultBridgeConfig {
  readonly bip: string;
  readonly bip6: string;
  readonly fixedCidr: string;
  readonly fixedCidrV6: string;
  readonly defaultGateway: string;
  readonly defaultGatewayV6: string;
  readonly ipv6: boolean;
  readonly icc: boolean;
  readonly ipMasq: boolean;
  /** Where ports are published that name no address. */
  readonly ip: string;
  readonly mtu: number;
  /** A bridge that the administrator looks after; "" = our own. */
  readonly bridge: string;
}

export const DEFAULT_BRIDGE_CONFIG: DefaultBridgeConfig = {
  bip: "",
  bip6: "",
  fixedCidr: "",
  fixedCidrV6: "",
  defaultGateway: "",
  defaultGatewayV6: "",
  ipv6: false,
  icc: true,
  ipMasq: true,
  ip: "0.0.0.0",
  mtu: 1500,
  bridge: "",
};

export const OWN_BRIDGE = "gantry0";

/** Auxiliary addresses of these names are where containers' packets go, instead of the bridge. */
export const DEFAULT_GATEWAY_IPV4 = "DefaultGatewayIPv4";
export const DEFAULT_GATEWAY_IPV6 = "DefaultGatewayIPv6";

/**
 * `addresses`: those that the bridge has, or had before — with their subnets' lengths; where nothing else is said, the
 * network keeps them. Throws `invalid_argument`.
 */
export function planDefaultBridge(config: DefaultBridgeConfig, addresses: readonly IpPrefix[]): NetworkPlan {
  const options = {
    [DEFAULT_BRIDGE]: "true",
    [ENABLE_ICC]: String(config.icc),
    [ENABLE_IP_MASQUERADE]: String(config.ipMasq),
    [HOST_BINDING_IPV4]: config.ip,
    [BRIDGE_NAME]: config.bridge === "" ? OWN_BRIDGE : config.bridge,
    [DRIVER_MTU]: String(config.mtu),
  };
  const ipv4 = [subnetOf(config, 4, addresses)];
  const ipv6 = config.ipv6 ? [subnetOf(config, 6, addresses)] : [];
  const network = {
    name: "bridge",
    driver: "bridge",
    hasIpv4: true,
    hasIpv6: config.ipv6,
    isInternal: false,
    isAttachable: false,
    isConfigOnly: false,
    configFrom: "",
    options,
    labels: {},
    ipam: { options: null, ipv4: asked(ipv4), ipv6: asked(ipv6) },
  } as const;
  return { network, settings: driverSettings(network), ipv4, ipv6, withoutGateway: [] };
}

/** Those that name a subnet: the others are shown as they were chosen. */
function asked(configs: readonly SubnetConfig[]): readonly SubnetConfig[] {
  return configs.filter(({ subnet }) => subnet !== "");
}

interface FamilyKeys {
  readonly bip: "bip" | "bip6";
  readonly fixed: "fixedCidr" | "fixedCidrV6";
  readonly fixedKey: string;
  readonly gateway: "defaultGateway" | "defaultGatewayV6";
  readonly gatewayKey: string;
  readonly auxiliary: string;
}

const KEYS: Readonly<Record<IpFamily, FamilyKeys>> = {
  4: {
    bip: "bip",
    fixed: "fixedCidr",
    fixedKey: "fixed-cidr",
    gateway: "defaultGateway",
    gatewayKey: "default-gateway",
    auxiliary: DEFAULT_GATEWAY_IPV4,
  },
  6: {
    bip: "bip6",
    fixed: "fixedCidrV6",
    fixedKey: "fixed-cidr-v6",
    gateway: "defaultGatewayV6",
    gatewayKey: "default-gateway-v6",
    auxiliary: DEFAULT_GATEWAY_IPV6,
  },
};

function subnetOf(config: DefaultBridgeConfig, family: IpFamily, all: readonly IpPrefix[]): SubnetConfig {
  const keys = KEYS[family];
  const fixed = prefixSetting(keys.fixedKey, config[keys.fixed], family);
  if (family === 6 && fixed !== undefined) checkIpv6Subnet(config[keys.fixed]);
  const isOwn = config.bridge === "";
  const bridge =
    prefixSetting(keys.bip, config[keys.bip], family) ??
    selectAddress(
      all.filter((each) => each.family === family),
      fixed,
      isOwn,
    );
  const subnet = bridge ?? fixed;
  const gateway = addressSetting(keys.gatewayKey, config[keys.gateway], family);
  if (subnet !== undefined && gateway !== undefined && !containsAddress(subnet, gateway))
    throw fail("invalid_argument", "default gateway ip must be part of the network");
  return {
    subnet: subnet === undefined ? "" : formatPrefix(masked(subnet)),
    range: subnet === undefined || fixed === undefined ? "" : rangeOf(keys.fixedKey, fixed, subnet),
    gateway: bridge === undefined ? "" : formatIp(addressOf(bridge)),
    auxiliary: gateway === undefined ? {} : { [keys.auxiliary]: formatIp(gateway) },
  };
}

/** A range that is wider than its subnet is all of it. */
function rangeOf(key: string, fixed: IpPrefix, subnet: IpPrefix): string {
  if (containsPrefix(fixed, subnet)) return formatPrefix(masked(subnet));
  if (!containsPrefix(subnet, fixed))
    throw fail(
      "invalid_argument",
      `${key}=${formatPrefix(fixed)} is outside the default bridge's subnet ${formatPrefix(masked(subnet))}`,
    );
  return formatPrefix(masked(fixed));
}

const LINK_LOCAL = prefixOf({ family: 6, value: 0xfe80n << 112n }, 64);

/** Of the bridge's addresses the one that goes with `fixed`; one of our own bridge follows it, or is given up. */
function selectAddress(
  all: readonly IpPrefix[],
  fixed: IpPrefix | undefined,
  isOwn: boolean,
): IpPrefix | undefined {
  const keepsLinkLocal = fixed !== undefined && containsPrefix(LINK_LOCAL, fixed);
  const addresses = all.filter((each) => keepsLinkLocal || !containsPrefix(LINK_LOCAL, each));
  const [first] = addresses;
  if (first === undefined || fixed === undefined) return first;
  const address =
    addresses.find((each) => containsAddress(each, addressOf(fixed))) ??
    addresses.find((each) => containsAddress(fixed, addressOf(each))) ??
    first;
  if (!isOwn) return address;
  if (!containsAddress(address, addressOf(fixed))) return undefined;
  return { ...address, bits: Math.min(address.bits, fixed.bits) };
}

function prefixSetting(key: string, text: string, family: IpFamily): IpPrefix | undefined {
  if (text === "") return undefined;
  const prefix = parsePrefix(text);
  if (prefix?.family !== family)
    throw fail("invalid_argument", `parse ${key} failed: invalid CIDR address: ${text}`);
  return prefix;
}

function addressSetting(key: string, text: string, family: IpFamily): IpAddress | undefined {
  if (text === "") return undefined;
  const address = parseIp(text);
  if (address?.family !== family)
    throw fail("invalid_argument", `invalid ${key}: ${JSON.stringify(text)} is no IPv${family} address`);
  return address;
}
