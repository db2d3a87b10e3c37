/** What of an engine's networks does not fit together. Pure: `network-facts.ts` has gathered it. */
import { gatewaysOf, type Place } from "../../src/core/network/gateways.ts";
import { driverSettings } from "../../src/core/network/driver-settings.ts";
import {
  bridgeNameOf,
  dummyNameOf,
  endpointMark,
  hostLinkOf,
  MARK,
  networkMark,
} from "../../src/core/network/link-names.ts";
import { shaperOf } from "../../src/linux/netlink/rates.ts";
import type { NetworkRecord } from "../../src/core/network/network-record.ts";
import type { ContainerFacts, EndpointDocument, Interior, LinkFacts, NetworkFacts } from "./network-facts.ts";

/** One line each; none: all is as it should be. */
export function violationsIn(facts: NetworkFacts): readonly string[] {
  return [
    ...rowViolations(facts),
    ...hostLinkViolations(facts),
    ...facts.containers.flatMap((container) => containerViolations(facts, container)),
    ...sharedAddresses(facts),
    ...namespaceViolations(facts),
    ...memberViolations(facts),
    ...forwarderViolations(facts),
    ...facts.wrongRules.map((what) => `the firewall's ${what} was not as the rows say`),
  ];
}

function running({ containers }: NetworkFacts): readonly ContainerFacts[] {
  return containers.filter(({ status }) => status === "running");
}

function rowViolations(facts: NetworkFacts): readonly string[] {
  const known = new Set(facts.containers.map(({ id }) => id));
  const live = new Set(running(facts).map(({ id }) => id));
  const networks = new Set(facts.networks.map(({ id }) => id));
  return [
    ...facts.attachments.flatMap(({ container, network }) =>
      known.has(container)
        ? []
        : [`an attachment to ${network} is of a container that is gone: ${container}`],
    ),
    ...facts.endpoints.flatMap(({ id, container, network }) => [
      ...(live.has(container) ? [] : [`endpoint ${id} is of a container that does not run: ${container}`]),
      ...(networks.has(network) ? [] : [`endpoint ${id} is of a network that is gone: ${network}`]),
    ]),
  ];
}

const OWN_NAMES = /^(?:(?:gv|gi|gt|br-|dm-)[0-9a-f]{12}|gantry0)$/;

interface WantedLink {
  readonly alias: string;
  readonly master: string;
  readonly addresses: readonly string[];
}

function wantedLinks({ networks, endpoints }: NetworkFacts): ReadonlyMap<string, WantedLink> {
  const wanted = new Map<string, WantedLink>();
  const bridges = new Map<string, string>();
  for (const network of networks) {
    const settings = driverSettings(network);
    const alias = networkMark(network.id);
    if (settings.kind === "bridge") {
      bridges.set(network.id, bridgeNameOf(network));
      wanted.set(bridgeNameOf(network), { alias, master: "", addresses: gatewayAddresses(network) });
    } else if ((settings.kind === "macvlan" || settings.kind === "ipvlan") && settings.parent === "")
      wanted.set(dummyNameOf(network.id), { alias, master: "", addresses: [] });
  }
  for (const { id, container, network, rates } of endpoints) {
    const master = bridges.get(network);
    if (master === undefined) continue;
    const alias = endpointMark(container, id);
    wanted.set(hostLinkOf(id), { alias, master, addresses: [] });
    if ((rates?.outBits ?? 0) > 0) wanted.set(shaperOf(hostLinkOf(id)), { alias, master: "", addresses: [] });
  }
  return wanted;
}

function gatewayAddresses({ subnets }: NetworkRecord): readonly string[] {
  return [...subnets.ipv4, ...subnets.ipv6].map(
    ({ subnet, gateway }) => `${gateway}/${subnet.split("/")[1] ?? ""}`,
  );
}

function hostLinkViolations(facts: NetworkFacts): readonly string[] {
  const wanted = wantedLinks(facts);
  const there = new Map(facts.hostLinks.map((link) => [link.name, link]));
  const nobodys = facts.hostLinks
    .filter(({ name, alias }) => alias.startsWith(MARK) || OWN_NAMES.test(name))
    .filter(({ name, alias }) => wanted.get(name)?.alias !== alias)
    .map(({ name, alias }) => `link ${name} ("${alias}") of the host is nobody's`);
  const missing = [...wanted].flatMap(([name, want]) => hostLinkFaults(name, want, there.get(name)));
  return [...nobodys, ...missing];
}

function hostLinkFaults(name: string, want: WantedLink, link: LinkFacts | undefined): readonly string[] {
  if (link === undefined) return [`link ${name} of the host is missing`];
  const lacking = want.addresses.filter((address) => !link.addresses.includes(address));
  return [
    ...(link.isUp ? [] : [`link ${name} of the host is down`]),
    ...(link.master === want.master
      ? []
      : [`link ${name} is a port of "${link.master}", not of "${want.master}"`]),
    ...lacking.map((address) => `link ${name} of the host lacks ${address}`),
  ];
}

function containerViolations(facts: NetworkFacts, container: ContainerFacts): readonly string[] {
  const { interior, networks, networkMode } = container;
  const documents = Object.entries(networks);
  if (interior === undefined)
    return documents
      .filter(([, { EndpointID, IPAddress }]) => EndpointID !== "" || IPAddress !== "")
      .map(([name]) => `${container.name} does not run and has an endpoint in ${name}`);
  if (networkMode === "host" || networkMode === "none") return [];
  return [
    ...documents.flatMap(([name, { EndpointID }]) =>
      EndpointID === "" ? [`${container.name} runs and has no endpoint in ${name}`] : [],
    ),
    ...interiorLinks(documents, interior),
    ...interiorRoutes(facts, container, interior),
    ...interiorHosts(container, documents, interior),
  ].map((line) => (line.startsWith(container.name) ? line : `${container.name}: ${line}`));
}

type Documents = readonly (readonly [network: string, document: EndpointDocument])[];

function interiorLinks(documents: Documents, { links }: Interior): readonly string[] {
  const byMac = new Map(links.map((link) => [link.mac, link]));
  const wrong = documents.flatMap(([network, document]) => {
    if (document.EndpointID === "") return [];
    const link = byMac.get(document.MacAddress);
    byMac.delete(document.MacAddress);
    if (link === undefined) return [`no link for ${network}, which is to have ${document.MacAddress}`];
    const wanted = addressesOf(document);
    return [
      ...(link.isUp ? [] : [`the link for ${network} is down`]),
      ...(isSame(wanted, link.addresses)
        ? []
        : [`the link for ${network} has ${link.addresses.join(" ")} instead of ${wanted.join(" ")}`]),
    ];
  });
  return [...wrong, ...[...byMac.values()].map(({ name, mac }) => `link ${name} (${mac}) is of no network`)];
}

function addressesOf(document: EndpointDocument): readonly string[] {
  const { IPAddress, IPPrefixLen, GlobalIPv6Address, GlobalIPv6PrefixLen } = document;
  return [
    ...(IPAddress === "" ? [] : [`${IPAddress}/${IPPrefixLen}`]),
    ...(GlobalIPv6Address === "" ? [] : [`${GlobalIPv6Address}/${GlobalIPv6PrefixLen}`]),
  ];
}

function isSame(some: readonly string[], others: readonly string[]): boolean {
  return [...some].sort().join(" ") === [...others].sort().join(" ");
}

/** By the rows, and by the rule that is tested beside `gatewaysOf`. */
function interiorRoutes(facts: NetworkFacts, { id }: ContainerFacts, interior: Interior): readonly string[] {
  const places = facts.attachments
    .filter(({ container }) => container === id)
    .flatMap((attachment): readonly Place[] => {
      const network = facts.networks.find((one) => one.id === attachment.networkId);
      const endpoint = facts.endpoints.find(
        (one) => one.container === id && one.network === attachment.networkId,
      );
      return network === undefined || endpoint === undefined ? [] : [{ network, attachment, endpoint }];
    });
  const { ipv4, ipv6 } = gatewaysOf(places);
  const wanted = [
    ...(ipv4 === undefined ? [] : [`${ipv4.endpoint.ipv4Gateway} ${ipv4.endpoint.interfaceName}`]),
    ...(ipv6 === undefined ? [] : [`${ipv6.endpoint.ipv6Gateway} ${ipv6.endpoint.interfaceName}`]),
  ];
  return isSame(wanted, interior.defaults)
    ? []
    : [`its default routes are "${interior.defaults.join(", ")}" instead of "${wanted.join(", ")}"`];
}

function interiorHosts(
  { hostname }: ContainerFacts,
  documents: Documents,
  { hosts }: Interior,
): readonly string[] {
  const lines = hosts.split("\n").map((line) => line.split(/\s+/));
  const found = lines.filter(([, ...names]) => names.includes(hostname)).map(([address = ""]) => address);
  const wanted = documents.flatMap(([, document]) =>
    addressesOf(document).map((address) => address.split("/")[0] ?? ""),
  );
  const isWhole = lines.some(([address, name]) => address === "127.0.0.1" && name === "localhost");
  return [
    ...(isWhole ? [] : ["its hosts file has no localhost"]),
    ...(isSame(wanted, found)
      ? []
      : [`its hosts file gives it "${found.join(" ")}" instead of "${wanted.join(" ")}"`]),
  ];
}

/** In one subnet or in two: no address is given twice on one host. */
function sharedAddresses(facts: NetworkFacts): readonly string[] {
  const owners = new Map<string, string[]>();
  const note = (address: string, owner: string): void => {
    const key = address.split("/")[0] ?? "";
    owners.set(key, [...(owners.get(key) ?? []), owner]);
  };
  for (const { name, addresses } of facts.hostLinks)
    for (const address of addresses) note(address, `the host's ${name}`);
  for (const { name, interior } of facts.containers)
    for (const link of interior?.links ?? [])
      for (const address of link.addresses) note(address, `${name}'s ${link.name}`);
  return [...owners].flatMap(([address, having]) =>
    having.length > 1 ? [`${address} is had by ${having.join(" and ")}`] : [],
  );
}

function namespaceViolations(facts: NetworkFacts): readonly string[] {
  const wanted = new Set(running(facts).flatMap(({ interior }) => interior?.namespace ?? []));
  return facts.namespaces
    .filter((name) => !wanted.has(name))
    .map((name) => `network namespace ${name} is of no running container`);
}

/** Which ports they serve is asked of them (`network-reach.ts`). */
function forwarderViolations(facts: NetworkFacts): readonly string[] {
  const names = new Map(running(facts).map(({ id, name }) => [id, name]));
  return facts.forwarders.flatMap((owner, at) => [
    ...(names.has(owner) ? [] : [`a forwarder is of a container that does not run: ${owner}`]),
    ...(facts.forwarders.indexOf(owner) === at ? [] : [`${names.get(owner) ?? owner} has two forwarders`]),
  ]);
}

function memberViolations({ networks, endpoints, members }: NetworkFacts): readonly string[] {
  return networks.flatMap(({ id, name }) => {
    const wanted = endpoints.filter(({ network }) => network === id).map(({ container }) => container);
    const listed = members[id];
    if (listed === undefined) return [`network ${name} is stored and not listed`];
    return isSame(wanted, listed) ? [] : [`network ${name} lists other members than are stored`];
  });
}
