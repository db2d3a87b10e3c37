/** A container's place in a network, with addresses that nobody else has. */
import { randomBytes } from "node:crypto";
import { formatIp, type IpFamily, parseIp } from "../../base/ip-address.ts";
import { addressOf, containsAddress, formatPrefix, type IpPrefix, parseCidr } from "../../base/ip-prefix.ts";
import { endpointAddress } from "./check-endpoint.ts";
import { DEFAULT_GATEWAY_IPV4, DEFAULT_GATEWAY_IPV6 } from "./default-bridge.ts";
import { driverSettings } from "./driver-settings.ts";
import { endpointNames } from "./endpoint-names.ts";
import { checkRatesIn, type EndpointRates, isLimited } from "./endpoint-rates.ts";
import type { AttachmentRecord, EndpointRecord } from "./endpoint-record.ts";
import { interfaceNameOf } from "./interface-name.ts";
import type { Ipam } from "./ipam.ts";
import { macAddressOf, parseMacAddress } from "./mac-address.ts";
import { isUserDefined, type NetworkRecord } from "./network-record.ts";

export interface EndpointWish {
  readonly network: NetworkRecord;
  readonly attachment: AttachmentRecord;
  readonly container: { readonly id: string; readonly name: string; readonly hostname: string };
  /** Interfaces that it has by now, "lo" among them. */
  readonly interfaces: ReadonlySet<string>;
  /** "80/tcp" */
  readonly exposed: readonly string[];
  readonly rates: EndpointRates;
}

/** Throws `forbidden`, `conflict`, `invalid_argument`, `not_implemented` or `unavailable`; then nothing is taken. */
export function allocateEndpoint(ipam: Ipam, wish: EndpointWish): EndpointRecord {
  const { network, attachment, container, exposed, rates } = wish;
  checkRatesIn(network, rates);
  const { config } = attachment;
  const settings = driverSettings(network);
  const id = randomBytes(32).toString("hex");
  const plain = { id, network: network.id, container: container.id, ports: [] };
  if (settings.kind === "host" || settings.kind === "null")
    return {
      ...plain,
      interfaceName: "",
      macAddress: "",
      ipv4: "",
      ipv6: "",
      linkLocalIps: [],
      ipv4Gateway: "",
      ipv6Gateway: "",
      names: [],
      exposed: [],
    };
  const prefix = settings.kind === "bridge" ? settings.interfacePrefix : "eth";
  const interfaceName = interfaceNameOf(config.DriverOpts, prefix, wish.interfaces);
  const wantedMac = config.MacAddress === "" ? undefined : parseMacAddress(config.MacAddress);
  const ipv4 = network.hasIpv4
    ? ipam.allocate(network, 4, endpointAddress(config.IPAMConfig?.IPv4Address ?? ""))
    : undefined;
  let ipv6: IpPrefix | undefined;
  try {
    ipv6 = network.hasIpv6
      ? ipam.allocate(network, 6, endpointAddress(config.IPAMConfig?.IPv6Address ?? ""))
      : undefined;
  } catch (error) {
    if (ipv4 !== undefined) ipam.releaseAddress(network.id, addressOf(ipv4));
    throw error;
  }
  return {
    ...plain,
    exposed,
    ...(isLimited(rates) ? { rates } : {}),
    interfaceName,
    macAddress: wantedMac ?? macAddressOf(ipv4 && addressOf(ipv4), () => randomBytes(4)),
    ipv4: ipv4 === undefined ? "" : formatPrefix(ipv4),
    ipv6: ipv6 === undefined ? "" : formatPrefix(ipv6),
    linkLocalIps: (config.IPAMConfig?.LinkLocalIPs ?? []).flatMap((text) => {
      const address = endpointAddress(text);
      return address === undefined ? [] : [formatIp(address)];
    }),
    ipv4Gateway: gatewayOf(network, 4, ipv4),
    ipv6Gateway: gatewayOf(network, 6, ipv6),
    names: isUserDefined(network.name) ? endpointNames({ ...container, aliases: config.Aliases ?? [] }) : [],
  };
}

/** Gives the endpoint's addresses back. Twice is fine. */
export function releaseEndpoint(ipam: Ipam, endpoint: EndpointRecord): void {
  for (const address of addressesOf(endpoint)) ipam.releaseAddress(endpoint.network, address);
}

/** For one that is stored: false when an address of it is nobody's to have any more. */
export function restoreEndpoint(ipam: Ipam, endpoint: EndpointRecord): boolean {
  return addressesOf(endpoint)
    .map((address) => ipam.restoreAddress(endpoint.network, address))
    .every((isRestored) => isRestored);
}

function addressesOf({ ipv4, ipv6 }: EndpointRecord): ReturnType<typeof addressOf>[] {
  return [ipv4, ipv6].filter((text) => text !== "").map((text) => addressOf(parseCidr(text)));
}

/** Nothing leads out of an internal network. */
function gatewayOf(network: NetworkRecord, family: IpFamily, address: IpPrefix | undefined): string {
  if (address === undefined || network.isInternal) return "";
  const configs = family === 4 ? network.subnets.ipv4 : network.subnets.ipv6;
  const config = configs.find(({ subnet }) => containsAddress(parseCidr(subnet), addressOf(address)));
  if (config === undefined) return "";
  const other = config.auxiliary[family === 4 ? DEFAULT_GATEWAY_IPV4 : DEFAULT_GATEWAY_IPV6];
  const gateway = parseIp(other ?? config.gateway);
  return gateway === undefined ? "" : formatIp(gateway);
}
