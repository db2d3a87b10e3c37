/**
 * Who reaches which port of a container, by what address, and why or why not: what the firewall (`firewall/chains.ts`), the forwarder
 * and the drivers do, told from the same records. Pure.
 */
import { formatIp, type IpAddress, type IpFamily, isUnspecified, parseIp } from "../../base/ip-address.ts";
import { addressOf, parsePrefix } from "../../base/ip-prefix.ts";
import { comparePorts, type ContainerPort, formatPort, parsePortKey } from "../../specs/engine/port.ts";
import { driverSettings } from "./driver-settings.ts";
import { type DirectWays, explainDirect } from "./explain-direct.ts";
import {
  asFarAsHostLets,
  type ExplainOptions,
  isLoopback,
  type Reach,
  type Source,
  type Way,
} from "./exposure.ts";
import type { Place } from "./gateways.ts";
import type { Publication } from "./publications.ts";

const SOURCES: readonly Source[] = ["loopback", "host", "lan", "network", "networks"];

/** Ports that are exposed or published, in order, each from everywhere. */
export function explainPorts(
  places: readonly Pick<Place, "network" | "endpoint">[],
  options: ExplainOptions,
): readonly Reach[] {
  return places.flatMap((place) => {
    const ports = place.endpoint.exposed.flatMap((text): ContainerPort[] => {
      const parsed = parsePortKey(text);
      return parsed === undefined ? [] : [{ port: parsed.range.first, protocol: parsed.protocol }];
    });
    return [...ports].sort(comparePorts).flatMap((port) => explainPort(place, port, options));
  });
}

function explainPort(
  { network, endpoint }: Pick<Place, "network" | "endpoint">,
  port: ContainerPort,
  options: ExplainOptions,
): readonly Reach[] {
  const own = endpoint.ports.filter(
    ({ containerPort, protocol }) => containerPort === port.port && protocol === port.protocol,
  );
  const families: readonly IpFamily[] = [4, 6];
  return families.flatMap((family) => {
    const address = addressIn(family === 4 ? endpoint.ipv4 : endpoint.ipv6);
    const published = own.filter(({ hostIp }) => parseIp(hostIp)?.family === family);
    if (address === undefined && published.length === 0) return [];
    const direct: DirectWays = { network, settings: driverSettings(network), family, published, options };
    return SOURCES.map((from) => {
      const ways = [
        ...(address === undefined ? [] : explainDirect(from, atPort(address, port.port), direct)),
        ...published.flatMap((publication) => explainPublished(from, publication, direct)),
      ];
      return { port: formatPort(port), network: network.name, family, from, ...judged(ways) };
    });
  });
}

function addressIn(text: string): IpAddress | undefined {
  const prefix = parsePrefix(text);
  return prefix && addressOf(prefix);
}

function atPort(address: IpAddress, port: number): string {
  return address.family === 4 ? `${formatIp(address)}:${port}` : `[${formatIp(address)}]:${port}`;
}

/** Why it is reached; or else why by none of the ways. */
function judged(ways: readonly Way[]): Pick<Reach, "by" | "why"> {
  const open = ways.filter(({ isOpen }) => isOpen);
  const reasons = (open.length > 0 ? open : ways).map(({ why }) => why);
  return {
    by: open.map(({ by }) => by),
    why: reasons.length === 0 ? "not published" : [...new Set(reasons)].join("; "),
  };
}

const LOOPBACK: Readonly<Record<IpFamily, string>> = { 4: "127.0.0.1", 6: "[::1]" };

/** By a port of the host. */
function explainPublished(
  from: Source,
  publication: Publication,
  { network, settings, family, options }: DirectWays,
): readonly Way[] {
  const host = parseIp(publication.hostIp);
  if (host === undefined || publication.hostPort === 0 || settings.kind !== "bridge") return [];
  const isEverywhere = isUnspecified(host);
  const isLocal = isLoopback(host);
  const by =
    from === "loopback" && isEverywhere
      ? `${LOOPBACK[family]}:${publication.hostPort}`
      : atPort(host, publication.hostPort);
  const closed = (why: string): readonly Way[] => [{ by, isOpen: false, why }];
  const open = (why: string): readonly Way[] => [{ by, isOpen: true, why }];
  const where = `published on ${isEverywhere ? `every ${family === 4 ? "IPv4" : "IPv6"} address of the host` : formatIp(host)}`;
  if (network.isInternal) return closed("the network is internal");
  if (from === "loopback" ? !isEverywhere && !isLocal : isLocal)
    return closed(`${where}, for ${isLocal ? "the host alone" : "that address alone"}`);
  if (isServed(from, publication, family, options))
    return options.forwardsPorts
      ? open(`${where}, by the forwarder`)
      : closed(`${where}, but no rule can lead there, and "userland-proxy" is false`);
  if (from === "network" && !settings.allowsNeighbours && options.filtersBridges)
    return closed("enable_icc is false, and br_netfilter keeps neighbours' packets on the bridge");
  return open(from === "loopback" || from === "host" ? where : asFarAsHostLets(where, options));
}

/** By a program: all that rules of ours are not for, and what comes from ::1 (`port-forwarders.ts`). */
function isServed(
  from: Source,
  { containerIp }: Publication,
  family: IpFamily,
  { translates }: ExplainOptions,
): boolean {
  if (parseIp(containerIp)?.family !== family || !translates[family]) return true;
  return family === 6 && from === "loopback";
}
