/** Whether a container can have the place in a network that it asks for. Docker's words, every fault named. Pure. */
import { type IpAddress, isUnspecified, parseIp, unmapped } from "../../base/ip-address.ts";
import { fail } from "../../base/errors.ts";
import { containsAddress, parseCidr } from "../../base/ip-prefix.ts";
import type { EndpointConfig } from "../../specs/engine/network.ts";
import { listed } from "./faults.ts";
import { INTERFACE_NAME_OPTION, isInterfaceName } from "./interface-name.ts";
import { parseMacAddress } from "./mac-address.ts";
import { isUserDefined, type NetworkRecord } from "./network-record.ts";
import type { SubnetConfig } from "./subnet-config.ts";

export const SYSCTLS_OPTION = "com.docker.network.endpoint.sysctls";

/** `network`: undefined while there is none of that name: then only what stands for itself is checked. Throws `invalid_argument`. */
export function checkEndpoint(
  networkName: string,
  network: Pick<NetworkRecord, "ipam"> | undefined,
  config: EndpointConfig,
): void {
  const faults = [
    ...nameFaults(networkName, config),
    ...addressFaults(config),
    ...subnetFaults(networkName, network, config),
    ...optionFaults(config.DriverOpts ?? {}),
  ];
  if (config.MacAddress !== "") parseMacAddress(config.MacAddress);
  if (faults.length > 0) throw fail("invalid_argument", `invalid endpoint settings:\n${listed(faults)}`);
}

function nameFaults(networkName: string, { IPAMConfig, Aliases }: EndpointConfig): readonly string[] {
  const faults: string[] = [];
  if (isUserDefined(networkName)) return [...badAliases(Aliases ?? [])];
  if ((IPAMConfig?.IPv4Address ?? "") !== "" || (IPAMConfig?.IPv6Address ?? "") !== "")
    faults.push("user specified IP address is supported on user defined networks only");
  if ((Aliases ?? []).length > 0)
    faults.push("network-scoped alias is supported only for containers in user defined networks");
  return faults;
}

/** Docker takes any text; names go into the answers of the name server, so they must fit there. */
function badAliases(aliases: readonly string[]): readonly string[] {
  return aliases
    .filter((alias) => !/^[^\s\p{Cc}]{1,253}$/u.test(alias))
    .map((alias) => `invalid network-scoped alias: ${JSON.stringify(alias.slice(0, 100))}`);
}

/** As the user wrote it, which may be IPv4 in IPv6's clothes. */
export function endpointAddress(text: string): IpAddress | undefined {
  const address = parseIp(text);
  return address && unmapped(address);
}

function addressFaults({ IPAMConfig }: EndpointConfig): readonly string[] {
  const faults: string[] = [];
  for (const [family, text] of [
    [4, IPAMConfig?.IPv4Address ?? ""],
    [6, IPAMConfig?.IPv6Address ?? ""],
  ] as const) {
    const address = endpointAddress(text);
    if (text !== "" && (address?.family !== family || isUnspecified(address)))
      faults.push(`invalid IPv${family} address: ${text.slice(0, 100)}`);
  }
  for (const text of IPAMConfig?.LinkLocalIPs ?? []) {
    const address = endpointAddress(text);
    const isLinkLocal = address !== undefined && LINK_LOCAL.some((block) => containsAddress(block, address));
    if (!isLinkLocal) faults.push(`invalid link-local IP address: ${text.slice(0, 100)}`);
  }
  return faults;
}

const LINK_LOCAL = [parseCidr("169.254.0.0/16"), parseCidr("fe80::/10")];

function subnetFaults(
  networkName: string,
  network: Pick<NetworkRecord, "ipam"> | undefined,
  config: EndpointConfig,
): readonly string[] {
  if (network === undefined) return [];
  // Of other networks nobody could have configured them, and that they take no addresses is said already.
  const isConfigurable = isUserDefined(networkName);
  return [
    ...subnetFault(config.IPAMConfig?.IPv4Address ?? "", network.ipam.ipv4, isConfigurable),
    ...subnetFault(config.IPAMConfig?.IPv6Address ?? "", network.ipam.ipv6, isConfigurable),
  ];
}

function subnetFault(
  text: string,
  subnets: readonly SubnetConfig[],
  isConfigurable: boolean,
): readonly string[] {
  if (text === "") return [];
  const named = subnets.filter(({ subnet }) => subnet !== "");
  if (named.length === 0)
    return isConfigurable
      ? [
          "user specified IP address is supported only when connecting to networks with user configured subnets",
        ]
      : [];
  const address = endpointAddress(text);
  const isInside =
    address !== undefined && named.some(({ subnet }) => containsAddress(parseCidr(subnet), address));
  return isInside ? [] : [`no configured subnet or ip-range contain the IP address ${text.slice(0, 100)}`];
}

function optionFaults(options: Readonly<Record<string, string>>): readonly string[] {
  const faults = (options[SYSCTLS_OPTION]?.split(",") ?? [])
    .filter((sysctl) => !/^net\.(?:ipv4|ipv6|mpls)\.[^.=/]+\.(?:IFNAME|ifname)\.[^/]+$/.test(sysctl))
    .map(
      (sysctl) =>
        `unrecognised network interface sysctl '${sysctl.slice(0, 200)}'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'`,
    );
  const name = options[INTERFACE_NAME_OPTION];
  if (name !== undefined && !isInterfaceName(name))
    faults.push(`invalid interface name ${JSON.stringify(name.slice(0, 100))}`);
  return faults;
}
