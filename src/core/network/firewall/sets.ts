/** The sets and maps of the table: what of networks and publications its chains look up. */
import { fail } from "../../../base/errors.ts";
import { type IpFamily, isUnspecified, parseIp } from "../../../base/ip-address.ts";
import type { GatewayMode } from "../driver-settings.ts";
import type { Element, NamedSet } from "../../../linux/nftables/ruleset.ts";
import {
  type FirewallNetwork,
  type FirewallOptions,
  type FirewallState,
  type FirewallPublication,
} from "./firewall.ts";

type Version = "ipv4" | "ipv6";

/** The kind that both addresses of a publication have; undefined when they are of two kinds. */
function familyOf({ hostIp, containerIp }: FirewallPublication): IpFamily | undefined {
  const [host, container] = [parseIp(hostIp), parseIp(containerIp)];
  return host?.family === container?.family ? host?.family : undefined;
}

function isAnywhere({ hostIp }: FirewallPublication): boolean {
  const address = parseIp(hostIp);
  return address !== undefined && isUnspecified(address);
}

const only = (...key: readonly string[]): Element => ({ key });

function isLoopback({ hostIp }: FirewallPublication): boolean {
  const address = parseIp(hostIp);
  return address?.family === 4 ? address.value >> 24n === 127n : address?.value === 1n;
}

/** (network, version of IP) of those in one of the modes. */
function inMode(
  networks: readonly FirewallNetwork[],
  modes: readonly GatewayMode[],
): readonly (readonly [FirewallNetwork, Version])[] {
  const versions: readonly Version[] = ["ipv4", "ipv6"];
  return networks
    .filter((network) => !network.internal)
    .flatMap((network) =>
      versions
        .filter((version) => modes.includes(network.gatewayMode[version]))
        .map((version) => [network, version] as const),
    );
}

const NAT: readonly GatewayMode[] = ["nat", "nat-unprotected"];

function networkSets(networks: readonly FirewallNetwork[]): readonly NamedSet[] {
  const bridges = (which: (network: FirewallNetwork) => boolean): readonly Element[] =>
    networks.filter(which).map(({ bridge }) => only(bridge));
  const ofMode = (...modes: readonly GatewayMode[]): readonly Element[] =>
    inMode(networks, modes).map(([{ bridge }, version]) => only(bridge, version));
  const outgoing = inMode(networks, NAT).filter(([network]) => network.masquerade);
  const sources = (version: Version, key: "hostIpv4" | "hostIpv6"): readonly Element[] =>
    outgoing.flatMap(([network, its]) => {
      const address = network[key];
      return its !== version || address === undefined ? [] : [{ key: [network.bridge], value: [address] }];
    });
  return [
    { name: "networks", key: ["ifname"], elements: bridges(() => true) },
    { name: "internal", key: ["ifname"], elements: bridges(({ internal }) => internal) },
    { name: "quiet", key: ["ifname"], elements: bridges(({ icc }) => !icc) },
    {
      name: "within",
      key: ["ifname", "ifname"],
      elements: networks.map(({ bridge }) => only(bridge, bridge)),
    },
    { name: "routed", key: ["ifname", "nf_proto"], elements: ofMode("routed") },
    { name: "unprotected", key: ["ifname", "nf_proto"], elements: ofMode("nat-unprotected") },
    {
      name: "trusted",
      key: ["ifname", "ifname"],
      elements: networks.flatMap(({ bridge, trustedInterfaces }) =>
        [...new Set(trustedInterfaces)].map((link) => only(bridge, link)),
      ),
    },
    {
      name: "outgoing",
      key: ["ifname", "nf_proto"],
      elements: outgoing.map(([{ bridge }, version]) => only(bridge, version)),
    },
    { name: "source4", key: ["ifname"], value: ["ipv4_addr"], elements: sources("ipv4", "hostIpv4") },
    { name: "source6", key: ["ifname"], value: ["ipv6_addr"], elements: sources("ipv6", "hostIpv6") },
  ];
}

/** Elements by what they say, each once; two that say different things of the same are a mistake of the caller's. */
function distinct(elements: readonly Element[]): readonly Element[] {
  const byKey = new Map<string, Element>();
  for (const element of elements) {
    const key = element.key.join(" ");
    const other = byKey.get(key);
    if (other !== undefined && JSON.stringify(other) !== JSON.stringify(element))
      throw fail("internal", `"${key}" is published twice, for different containers`);
    byKey.set(key, element);
  }
  return [...byKey.values()];
}

/** Of publications of one version of IP. */
function publicationSets(
  digit: 4 | 6,
  publications: readonly FirewallPublication[],
  modeOf: (publication: FirewallPublication) => GatewayMode,
): readonly NamedSet[] {
  const address = digit === 4 ? "ipv4_addr" : "ipv6_addr";
  const target = ({ containerIp, containerPort }: FirewallPublication): readonly string[] => [
    containerIp,
    `${containerPort}`,
  ];
  const translated = publications.filter((one) => NAT.includes(modeOf(one)));
  const open = publications.filter((one) => modeOf(one) !== "isolated" && !isLoopback(one));
  return [
    {
      name: `published${digit}`,
      key: ["inet_proto", address, "inet_service"],
      value: [address, "inet_service"],
      elements: distinct(
        translated
          .filter((one) => !isAnywhere(one))
          .map((one) => ({ key: [one.protocol, one.hostIp, `${one.hostPort}`], value: target(one) })),
      ),
    },
    {
      name: `anywhere${digit}`,
      key: ["inet_proto", "inet_service"],
      value: [address, "inet_service"],
      elements: distinct(
        translated
          .filter(isAnywhere)
          .map((one) => ({ key: [one.protocol, `${one.hostPort}`], value: target(one) })),
      ),
    },
    {
      name: `open${digit}`,
      key: ["ifname", address, "inet_proto", "inet_service"],
      elements: distinct(
        open.map((one) => only(one.bridge, one.containerIp, one.protocol, `${one.containerPort}`)),
      ),
    },
  ];
}

/** Those that publications are in. */
export function publicationSetsOf(
  state: FirewallState,
  options: Pick<FirewallOptions, "ipv4" | "ipv6">,
): readonly NamedSet[] {
  const networks = new Map(state.networks.map((network) => [network.bridge, network]));
  const ofFamily = (family: 4 | 6): readonly NamedSet[] => {
    const version = family === 4 ? "ipv4" : "ipv6";
    const wanted = options[version] ? state.publications : [];
    return publicationSets(
      family,
      wanted.filter((one) => familyOf(one) === family),
      ({ bridge }) => {
        const network = networks.get(bridge);
        if (network === undefined || network.internal)
          throw fail("internal", `nothing can be published by the network of "${bridge}"`);
        return network.gatewayMode[version];
      },
    );
  };
  return [...ofFamily(4), ...ofFamily(6)];
}

export function firewallSets(state: FirewallState, options: FirewallOptions): readonly NamedSet[] {
  return [...networkSets(state.networks), ...publicationSetsOf(state, options)];
}
