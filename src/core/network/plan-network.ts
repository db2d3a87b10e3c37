/**
 * From the request for a network to what it will be, with everything checked that can be known without the kernel and the
 * addresses of other networks. Docker's words. Pure.
 */
import type { IpFamily } from "../../base/ip-address.ts";
import { fail } from "../../base/errors.ts";
import { masked, overlaps, parseCidr, parsePrefix } from "../../base/ip-prefix.ts";
import type { IpamConfig, NetworkCreateRequest } from "../../specs/engine/network.ts";
import { checkIpam } from "./check-ipam.ts";
import {
  type DriverSettings,
  driverSettings,
  ENABLE_IPV4,
  ENABLE_IPV6,
  familiesWithoutGateway,
} from "./driver-settings.ts";
import { parseBool } from "./go-values.ts";
import { isPredefined, type NetworkDriver, type NetworkRecord } from "./network-record.ts";
import { ANY_SUBNET, type SubnetConfig } from "./subnet-config.ts";

export interface NetworkPlan {
  readonly network: Omit<NetworkRecord, "id" | "created" | "subnets">;
  readonly settings: DriverSettings;
  /** To be reserved; none for a configuration only. */
  readonly ipv4: readonly SubnetConfig[];
  readonly ipv6: readonly SubnetConfig[];
  readonly withoutGateway: readonly IpFamily[];
}

type Draft = Omit<NetworkRecord, "id" | "created" | "subnets" | "driver"> & {
  readonly driver: string;
};

/**
 * `named` finds a network by name. `defaults`: options by driver (`default-network-opts` of daemon.json).
 * Throws `invalid_argument`, `forbidden`, `conflict` or `not_found`.
 */
export function planNetwork(
  request: NetworkCreateRequest,
  named: (name: string) => NetworkRecord | undefined,
  defaults: Readonly<Record<string, Readonly<Record<string, string>>>> = {},
): NetworkPlan {
  const asked = draftOf(request, defaults);
  checkName(request.Name);
  if (named(request.Name) !== undefined)
    throw fail("conflict", `network with name ${request.Name} already exists`);
  checkSources(request, asked);
  if (request.ConfigOnly) {
    const network = { ...asked, driver: "null" } as const;
    return { network, settings: { kind: "null" }, ipv4: [], ipv6: [], withoutGateway: [] };
  }
  const driver = driverOf(asked.driver);
  if (request.Ingress) throw fail("forbidden", "Ingress network can only be global scope network");
  const draft = request.ConfigFrom === "" ? asked : withConfigOf(asked, named(request.ConfigFrom));
  checkScope(request.Scope);
  if (driver === "host" || driver === "null")
    throw fail("forbidden", `only one instance of "${driver}" network is allowed`);
  const network = { ...draft, driver };
  const settings = driverSettings(network);
  const { ipv4, ipv6 } = subnetsToReserve(network);
  if (settings.kind === "bridge") checkBridge(ipv4, ipv6);
  return {
    network,
    settings,
    ipv4,
    ipv6,
    withoutGateway: familiesWithoutGateway(settings, network.isInternal),
  };
}

function draftOf(
  request: NetworkCreateRequest,
  defaults: Readonly<Record<string, Readonly<Record<string, string>>>>,
): Draft {
  if (isPredefined(request.Name))
    throw fail("forbidden", `operation is not permitted on predefined ${request.Name} network`);
  const driver = request.Driver === "" ? "bridge" : request.Driver;
  if (driver === "overlay")
    throw fail(
      "forbidden",
      'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
    );
  const common = request.ConfigFrom === "" ? (defaults[driver] ?? {}) : {};
  const options: Record<string, string> = { ...common, ...request.Options };
  const hasIpv4 = familyFlag(request.EnableIPv4, options, ENABLE_IPV4, true);
  const hasIpv6 = familyFlag(request.EnableIPv6, options, ENABLE_IPV6, false);
  const configs = request.IPAM?.Config ?? [];
  checkIpam(configs, hasIpv6);
  return {
    name: request.Name,
    driver,
    hasIpv4,
    hasIpv6,
    isInternal: request.Internal,
    isAttachable: request.Attachable,
    isConfigOnly: request.ConfigOnly,
    configFrom: request.ConfigFrom,
    options,
    labels: request.Labels,
    ipam: {
      options: request.IPAM?.Options ?? null,
      ipv4: configsOf(configs, 4),
      ipv6: configsOf(configs, 6),
    },
  };
}

/** What the request says beats the option, which is then dropped: it would look wrong beside it. */
function familyFlag(
  asked: boolean | null,
  options: Record<string, string>,
  key: string,
  fallback: boolean,
): boolean {
  const text = options[key];
  if (asked !== null) {
    delete options[key];
    return asked;
  }
  if (text === undefined) return fallback;
  const value = parseBool(text);
  if (value === undefined) throw fail("invalid_argument", `driver-opt "${key}" is not a valid bool`);
  return value;
}

function configsOf(configs: readonly IpamConfig[], family: IpFamily): readonly SubnetConfig[] {
  return configs
    .filter(({ Subnet }) => parsePrefix(Subnet)?.family === family)
    .map(({ Subnet, IPRange, Gateway, AuxiliaryAddresses }) => ({
      subnet: Subnet,
      range: IPRange,
      gateway: Gateway,
      auxiliary: AuxiliaryAddresses,
    }));
}

function checkName(name: string): void {
  if (name.trim() === "") throw fail("invalid_argument", "invalid name: name is empty");
  if (/\p{Cc}/u.test(name) || name.length > 255)
    throw fail(
      "invalid_argument",
      `invalid name: ${JSON.stringify(name.slice(0, 300))}: a name has at most 255 characters, and no control characters`,
    );
}

function checkScope(scope: string): void {
  if (scope === "swarm")
    throw fail("forbidden", "cannot create a swarm scoped network when swarm is not active");
  if (scope !== "" && scope !== "local")
    throw fail(
      "invalid_argument",
      `invalid scope "${scope.slice(0, 100)}": networks of this engine are local`,
    );
}

/** Configurations that are lent, and borrowed ones, exclude a configuration of one's own. */
function checkSources(request: NetworkCreateRequest, draft: Draft): void {
  if (request.ConfigOnly) {
    if (request.Ingress || request.Internal || request.Attachable || request.Scope !== "")
      throw fail(
        "forbidden",
        "configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.",
      );
    if (request.ConfigFrom !== "")
      throw fail("forbidden", "a configuration network cannot depend on another configuration network");
  }
  checkIpamDriver(request.IPAM?.Driver ?? "");
  if (request.ConfigFrom === "") return;
  const { ipam } = draft;
  const hasOwn =
    !draft.hasIpv4 ||
    draft.hasIpv6 ||
    Object.keys(draft.labels).length + Object.keys(ipam.options ?? {}).length > 0 ||
    ipam.ipv4.length + ipam.ipv6.length > 0;
  if (hasOwn)
    throw fail(
      "forbidden",
      "user specified configurations are not supported if the network depends on a configuration network",
    );
  if (Object.keys(draft.options).length > 0)
    throw fail(
      "forbidden",
      "network driver options are not supported if the network depends on a configuration network",
    );
}

function checkIpamDriver(driver: string): void {
  if (driver === "null") throw fail("invalid_argument", "ipv4 pool is empty");
  if (driver !== "" && driver !== "default")
    throw fail("invalid_argument", `invalid ipam driver: ${JSON.stringify(driver.slice(0, 100))}`);
}

function driverOf(name: string): NetworkDriver {
  switch (name) {
    case "bridge":
    case "macvlan":
    case "ipvlan":
    case "host":
    case "null":
      return name;
    default:
      throw fail("not_found", `plugin ${JSON.stringify(name.slice(0, 200))} not found`);
  }
}

function withConfigOf(draft: Draft, source: NetworkRecord | undefined): Draft {
  if (source === undefined || !source.isConfigOnly)
    throw fail("not_found", `configuration network ${JSON.stringify(draft.configFrom)} does not exist`);
  const { hasIpv4, hasIpv6, labels, ipam, options } = source;
  return { ...draft, hasIpv4, hasIpv6, labels, ipam, options };
}

function subnetsToReserve({ hasIpv4, hasIpv6, ipam }: Draft): Pick<NetworkPlan, "ipv4" | "ipv6"> {
  if (!hasIpv4 && !hasIpv6) throw fail("invalid_argument", "IPv4 or IPv6 must be enabled");
  const orAny = (configs: readonly SubnetConfig[]): readonly SubnetConfig[] =>
    configs.length === 0 ? [ANY_SUBNET] : configs;
  return { ipv4: hasIpv4 ? orAny(ipam.ipv4) : [], ipv6: hasIpv6 ? orAny(ipam.ipv6) : [] };
}

const LINK_LOCAL = parseCidr("fe80::/64");
const MULTICAST = parseCidr("ff00::/8");

function checkBridge(ipv4: readonly SubnetConfig[], ipv6: readonly SubnetConfig[]): void {
  if (ipv4.length > 1 || ipv6.length > 1)
    throw fail("forbidden", "bridge driver doesn't support multiple subnets");
  for (const { subnet } of ipv6) if (subnet !== "") checkIpv6Subnet(subnet);
}

/** Throws `invalid_argument`. For `fixed-cidr-v6`, too. */
export function checkIpv6Subnet(text: string): void {
  const prefix = parsePrefix(text);
  if (prefix?.family !== 6 || prefix.value >> 32n === 0xffffn)
    throw fail("invalid_argument", `'${text}' is not a valid IPv6 subnet`);
  if (overlaps(MULTICAST, prefix))
    throw fail("invalid_argument", `multicast subnet '${text}' is not allowed`);
  const isLinkLocal = prefix.bits === LINK_LOCAL.bits && masked(prefix).value === LINK_LOCAL.value;
  if (!isLinkLocal && overlaps(LINK_LOCAL, prefix))
    throw fail("invalid_argument", `'${text}' clashes with the Link-Local prefix 'fe80::/64'`);
}
