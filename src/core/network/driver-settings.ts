/**
 * What the options of a network mean to its driver. Options that a driver does not know are passed over, as Docker passes
 * them over: they may be another tool's. Pure; read when a network is made, and from its record whenever it is used.
 */
import { type IpAddress, type IpFamily, parseIp, unmapped } from "../../base/ip-address.ts";
import { fail, type GantryError } from "../../base/errors.ts";
import { boolError, parseBool, parseInteger } from "./go-values.ts";
import { isInterfaceName } from "./interface-name.ts";
import type { NetworkDriver } from "./network-record.ts";

const BRIDGE = "com.docker.network.bridge.";

export const BRIDGE_NAME = `${BRIDGE}name`;
export const DEFAULT_BRIDGE = `${BRIDGE}default_bridge`;
export const ENABLE_ICC = `${BRIDGE}enable_icc`;
export const ENABLE_IP_MASQUERADE = `${BRIDGE}enable_ip_masquerade`;
export const HOST_BINDING_IPV4 = `${BRIDGE}host_binding_ipv4`;
export const GATEWAY_MODE_IPV4 = `${BRIDGE}gateway_mode_ipv4`;
export const GATEWAY_MODE_IPV6 = `${BRIDGE}gateway_mode_ipv6`;
export const TRUSTED_HOST_INTERFACES = `${BRIDGE}trusted_host_interfaces`;
export const INHIBIT_IPV4 = `${BRIDGE}inhibit_ipv4`;
export const DRIVER_MTU = "com.docker.network.driver.mtu";
export const ENABLE_IPV4 = "com.docker.network.enable_ipv4";
export const ENABLE_IPV6 = "com.docker.network.enable_ipv6";
export const CONTAINER_INTERFACE_PREFIX = "com.docker.network.container_iface_prefix";
export const HOST_IPV4 = "com.docker.network.host_ipv4";
export const HOST_IPV6 = "com.docker.network.host_ipv6";

/**
 * nat: masqueraded, only published ports are reachable. nat-unprotected: masqueraded, every port is. routed: no NAT,
 * published ports only. isolated: the host itself has no address in it.
 */
export type GatewayMode = "nat" | "nat-unprotected" | "routed" | "isolated";

const GATEWAY_MODES: readonly GatewayMode[] = ["nat", "nat-unprotected", "routed", "isolated"];

export interface BridgeSettings {
  readonly kind: "bridge";
  /** "" = from the network's id. */
  readonly bridgeName: string;
  readonly isDefaultBridge: boolean;
  /** Containers of the network may talk to each other. */
  readonly allowsNeighbours: boolean;
  readonly masquerades: boolean;
  readonly ipv4Mode: GatewayMode;
  readonly ipv6Mode: GatewayMode;
  /** Where ports are published that name no address; undefined = everywhere, IPv6 included. */
  readonly hostBinding: IpAddress | undefined;
  /** Sources of what leaves the host, instead of the outgoing interface's own addresses. */
  readonly hostIpv4: IpAddress | undefined;
  readonly hostIpv6: IpAddress | undefined;
  /** Interfaces of the host whose packets may reach published ports by the container's own address. */
  readonly trustedInterfaces: readonly string[];
  /** The bridge gets no IPv4 address: the gateway is elsewhere. */
  readonly inhibitsIpv4: boolean;
  /** 0 = the kernel's default. */
  readonly mtu: number;
  /** "eth" unless it says otherwise. */
  readonly interfacePrefix: string;
}

export interface MacvlanSettings {
  readonly kind: "macvlan";
  /** Name of an interface, or "name.vlan" to be made; "" = none: the network is internal. */
  readonly parent: string;
  readonly mode: "bridge" | "vepa" | "private" | "passthru";
}

export interface IpvlanSettings {
  readonly kind: "ipvlan";
  readonly parent: string;
  readonly mode: "l2" | "l3" | "l3s";
  readonly flag: "bridge" | "private" | "vepa";
}

export type DriverSettings =
  | BridgeSettings
  | MacvlanSettings
  | IpvlanSettings
  | { readonly kind: "host" }
  | { readonly kind: "null" };

interface Configured {
  readonly driver: NetworkDriver;
  readonly isInternal: boolean;
  readonly options: Readonly<Record<string, string>>;
}

/** Throws `invalid_argument`. */
export function driverSettings({ driver, isInternal, options }: Configured): DriverSettings {
  switch (driver) {
    case "bridge":
      return bridgeSettings(options, isInternal);
    case "macvlan":
      return {
        kind: "macvlan",
        parent: parentOf(options, driver),
        mode: oneOf(
          options,
          "macvlan_mode",
          ["bridge", "vepa", "private", "passthru"],
          (mode) =>
            `requested macvlan mode '${mode}' is not valid, 'bridge' mode is the macvlan driver default`,
        ),
      };
    case "ipvlan":
      return {
        kind: "ipvlan",
        parent: parentOf(options, driver),
        mode: oneOf(
          options,
          "ipvlan_mode",
          ["l2", "l3", "l3s"],
          (mode) => `requested ipvlan mode '${mode}' is not valid, 'l2' mode is the ipvlan driver default`,
        ),
        flag: oneOf(
          options,
          "ipvlan_flag",
          ["bridge", "private", "vepa"],
          (flag) => `requested ipvlan flag '${flag}' is not valid, 'bridge' is the ipvlan driver default`,
        ),
      };
    case "host":
    case "null":
      return { kind: driver };
  }
}

/** Families in which no gateway's address is set aside in a network of this kind. */
export function familiesWithoutGateway(settings: DriverSettings, isInternal: boolean): readonly IpFamily[] {
  switch (settings.kind) {
    case "bridge": {
      const { ipv4Mode, ipv6Mode, inhibitsIpv4 } = settings;
      const families: IpFamily[] = [];
      if (ipv4Mode === "isolated" || (inhibitsIpv4 && isInternal)) families.push(4);
      if (ipv6Mode === "isolated") families.push(6);
      return families;
    }
    case "macvlan":
      return isInternal || settings.parent === "" ? [4, 6] : [];
    case "ipvlan":
      return isInternal || settings.parent === "" || settings.mode !== "l2" ? [4, 6] : [];
    case "host":
    case "null":
      return [4, 6];
  }
}

function bridgeSettings(options: Readonly<Record<string, string>>, isInternal: boolean): BridgeSettings {
  const settings: BridgeSettings = {
    kind: "bridge",
    bridgeName: interfaceName(options, BRIDGE_NAME, 15),
    isDefaultBridge: flag(options, DEFAULT_BRIDGE, false),
    allowsNeighbours: flag(options, ENABLE_ICC, true),
    masquerades: flag(options, ENABLE_IP_MASQUERADE, true),
    ipv4Mode: gatewayMode(options, GATEWAY_MODE_IPV4),
    ipv6Mode: gatewayMode(options, GATEWAY_MODE_IPV6),
    hostBinding: bindingOf(options),
    hostIpv4: addressOption(options, HOST_IPV4),
    hostIpv6: addressOption(options, HOST_IPV6),
    trustedInterfaces: (options[TRUSTED_HOST_INTERFACES] ?? "").split(":").filter((name) => name !== ""),
    inhibitsIpv4: flag(options, INHIBIT_IPV4, false),
    mtu: mtuOf(options),
    // three digits for the number behind it
    interfacePrefix: interfaceName(options, CONTAINER_INTERFACE_PREFIX, 12) || "eth",
  };
  for (const name of settings.trustedInterfaces) checkInterfaceName(TRUSTED_HOST_INTERFACES, name, 15);
  if ((settings.ipv4Mode === "isolated" || settings.ipv6Mode === "isolated") && !isInternal)
    throw fail("invalid_argument", "gateway mode 'isolated' can only be used for an internal network");
  return settings;
}

/** 0.0.0.0 is what nothing said means, too: everywhere. */
function bindingOf(options: Readonly<Record<string, string>>): IpAddress | undefined {
  const address = addressOption(options, HOST_BINDING_IPV4);
  return address?.family === 4 && address.value === 0n ? undefined : address;
}

function flag(options: Readonly<Record<string, string>>, key: string, fallback: boolean): boolean {
  const text = options[key];
  if (text === undefined) return fallback;
  const value = parseBool(text);
  if (value === undefined) throw cannotParse(key, text, boolError(text));
  return value;
}

function mtuOf(options: Readonly<Record<string, string>>): number {
  const text = options[DRIVER_MTU];
  if (text === undefined) return 0;
  const value = parseInteger(text);
  if (typeof value === "string") throw cannotParse(DRIVER_MTU, text, value);
  if (value < 0 || value > 65_535) throw fail("invalid_argument", `invalid MTU number: ${value}`);
  return value;
}

function gatewayMode(options: Readonly<Record<string, string>>, key: string): GatewayMode {
  const text = options[key];
  if (text === undefined) return "nat";
  const mode = GATEWAY_MODES.find((each) => each === text);
  if (mode === undefined) throw cannotParse(key, text, `unknown gateway mode ${text}`);
  return mode;
}

function addressOption(options: Readonly<Record<string, string>>, key: string): IpAddress | undefined {
  const text = options[key];
  if (text === undefined) return undefined;
  const address = parseIp(text);
  if (address === undefined) throw cannotParse(key, text, "nil ip");
  return unmapped(address);
}

function interfaceName(options: Readonly<Record<string, string>>, key: string, limit: number): string {
  const name = options[key] ?? "";
  if (name !== "") checkInterfaceName(key, name, limit);
  return name;
}

function checkInterfaceName(key: string, name: string, limit: number): void {
  if (!isInterfaceName(name, limit))
    throw cannotParse(
      key,
      name.slice(0, 100),
      `an interface's name has 1 to ${limit} printable characters without ":" and "/"`,
    );
}

/** "eth0", or "eth0.10" for VLAN 10 of it. */
function parentOf(options: Readonly<Record<string, string>>, driver: string): string {
  const parent = options["parent"] ?? "";
  if (parent === "") return "";
  if (parent === "lo")
    throw fail("invalid_argument", `loopback interface is not a valid ${driver} parent link`);
  checkInterfaceName("parent", parent, 15);
  return parent;
}

/** The first one is the default. */
function oneOf<T extends string>(
  options: Readonly<Record<string, string>>,
  key: string,
  allowed: readonly [T, ...T[]],
  message: (value: string) => string,
): T {
  const text = options[key] ?? "";
  if (text === "") return allowed[0];
  const value = allowed.find((each) => each === text);
  if (value === undefined) throw fail("invalid_argument", message(text));
  return value;
}

function cannotParse(key: string, value: string, why: string): GantryError {
  return fail("invalid_argument", `failed to parse ${key} value: ${value} (${why})`);
}
