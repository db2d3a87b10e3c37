/** How a container finds others by name: its resolv.conf, its hosts file, and what the name server tells it. */
import { addressOf, parsePrefix } from "../../base/ip-prefix.ts";
import { formatIp, ipBytes, parseIp } from "../../base/ip-address.ts";
import { readSmallFile, rewriteFile } from "../../base/rewrite-file.ts";
import type { NameAddresses, NameView } from "../../core/network/dns/name-view.ts";
import { gatewaysOf, type Place, placesByPreference } from "../../core/network/gateways.ts";
import { defaultHostLines, type HostsLine } from "../../core/network/hosts-file.ts";
import { isUserDefined } from "../../core/network/network-record.ts";
import type { Networks } from "../../core/network/networks.ts";
import {
  defaultBridgeResolver,
  hostNetworkResolver,
  type ResolverWishes,
  userNetworkResolver,
} from "../../core/network/resolv-conf.ts";
import type { HostConfig } from "../../specs/engine/container.ts";
import type { Container } from "../containers/container.ts";
import type { NetworkOptions, NetworkParts } from "./network-parts.ts";
import { placesOf } from "./places.ts";

/** In networks of users there are names to ask for. */
export function servesNames(places: readonly Pick<Place, "network">[]): boolean {
  return places.some(
    ({ network }) => isUserDefined(network.name) && network.driver !== "host" && network.driver !== "null",
  );
}

export function resolvConfOf(
  parts: Pick<NetworkParts, "hostResolver" | "options">,
  host: HostConfig,
  places: readonly Place[],
): string {
  const wishes = wishesOf(host, parts.options);
  if (host.NetworkMode === "host") return hostNetworkResolver(parts.hostResolver(), wishes);
  if (servesNames(places)) return userNetworkResolver(parts.hostResolver(), wishes).text;
  const hasIpv6 = places.some(({ endpoint }) => endpoint.ipv6 !== "");
  return defaultBridgeResolver(parts.hostResolver(), wishes, hasIpv6);
}

const MAX_RESOLV_CONF_BYTES = 65_536;

/**
 * For a running container whose networks have changed; a file that somebody has written to stays as it is. `before`: each of what
 * they may have been.
 */
export function writeResolvConf(
  parts: Pick<NetworkParts, "hostResolver" | "options">,
  path: string,
  { host }: Pick<Container, "host">,
  before: readonly (readonly Place[])[],
  after: readonly Place[],
): void {
  const text = readSmallFile(path, MAX_RESOLV_CONF_BYTES);
  if (before.some((places) => text === resolvConfOf(parts, host, places)))
    rewriteFile(path, resolvConfOf(parts, host, after));
}

function wishesOf(host: HostConfig, options: NetworkOptions): ResolverWishes {
  const or = (own: readonly string[] | null, fallback: readonly string[]) =>
    own === null || own.length === 0 ? fallback : own;
  return {
    servers: or(host.Dns, options.dns),
    search: or(host.DnsSearch, options.dnsSearch),
    options: or(host.DnsOptions, options.dnsOptions),
  };
}

/** What "host-gateway" stands for: none where there is no bridge network. */
export function hostGatewaysOf({
  networks,
  options,
}: Pick<NetworkParts, "options"> & { readonly networks: Pick<Networks, "named"> }): readonly string[] {
  const { hostGatewayIps } = options;
  const subnets = networks.named("bridge")?.subnets;
  const own = [...(subnets?.ipv4 ?? []), ...(subnets?.ipv6 ?? [])].map(({ gateway }) => gateway);
  return [...hostGatewayIps, ...own.filter((gateway) => !hostGatewayIps.some(isOfFamily(gateway)))].filter(
    (gateway) => gateway !== "",
  );
}

function isOfFamily(address: string): (other: string) => boolean {
  return (other) => other.includes(":") === address.includes(":");
}

/** The container's own, without their subnets' lengths. */
export function ownAddresses(places: readonly Pick<Place, "endpoint">[]): readonly string[] {
  return places.flatMap(({ endpoint }) =>
    [endpoint.ipv4, endpoint.ipv6].flatMap((text) => {
      const prefix = parsePrefix(text);
      return prefix === undefined ? [] : [formatIp(addressOf(prefix))];
    }),
  );
}

/**
 * For the name server. The host's resolv.conf is read once: the container's own file was made from it. What may change is
 * looked up with every call.
 */
export function nameViewOf(parts: NetworkParts, container: Container): () => NameView {
  const { networks, names, options } = parts;
  const { upstreams, hasOwnNdots } = userNetworkResolver(
    parts.hostResolver(),
    wishesOf(container.host, options),
  );
  const hosts = hostNames(defaultHostLines(options.defaultExtraHosts, hostGatewaysOf(parts)));
  return () => {
    const places = placesByPreference(placesOf(networks, container.id));
    const { ipv4, ipv6 } = gatewaysOf(places);
    const links = places.flatMap(({ attachment }) => attachment.config.Links ?? []);
    return {
      networks: places.filter((place) => servesNames([place])).map(({ network }) => names.of(network)),
      hosts,
      links: new Map(links.map(linkOf).map(([alias, name]) => [alias.toLowerCase(), name.toLowerCase()])),
      upstreams,
      hasWayOut: ipv4 !== undefined || ipv6 !== undefined,
      hasOwnNdots,
    };
  };
}

/** "container:alias", or "container" for its own name. */
export function linkOf(text: string): readonly [alias: string, name: string] {
  const [name = "", alias = name] = text.replaceAll("/", "").split(":", 2);
  return [alias, name];
}

function hostNames(lines: readonly HostsLine[]): ReadonlyMap<string, NameAddresses> {
  const names = new Map<string, { v4: Uint8Array[]; v6: Uint8Array[] }>();
  for (const { address, name } of lines) {
    const ip = parseIp(address);
    if (ip === undefined) continue;
    const key = name.toLowerCase();
    const addresses = names.get(key) ?? { v4: [], v6: [] };
    (ip.family === 4 ? addresses.v4 : addresses.v6).push(ipBytes(ip));
    names.set(key, addresses);
  }
  return names;
}
