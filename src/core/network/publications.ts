/**
 * From bindings to what the host has to forward: which addresses of the host, to which address of the container, and which
 * of them must get the same port. Pure; finding free ports is `find-host-port.ts`.
 */
import {
  ANY_IPV4,
  ANY_IPV6,
  compareIp,
  formatIp,
  type IpAddress,
  isUnspecified,
} from "../../base/ip-address.ts";
import { PORT_PROTOCOLS, type PortProtocol, type PortRange } from "../../specs/engine/port.ts";
import type { PortBinding } from "./port-bindings.ts";

/** Addresses that must get one and the same host port. */
export interface PublicationRequest {
  readonly protocol: PortProtocol;
  readonly containerPort: number;
  /** The first free one of these; 0 = any. */
  readonly host: PortRange;
  readonly targets: readonly PublicationTarget[];
}

export interface PublicationTarget {
  readonly hostIp: string;
  /** Of either family: IPv6 is forwarded to a container without it where `forwardsIpv6`. */
  readonly containerIp: string;
  /** No port of the host is taken: the container's own is opened to those who route to it. */
  readonly isRouted: boolean;
}

/** One that is in force. */
export interface Publication {
  readonly protocol: PortProtocol;
  readonly hostIp: string;
  /** 0 = routed. */
  readonly hostPort: number;
  readonly containerIp: string;
  readonly containerPort: number;
}

export interface PublicationContext {
  /** The container's addresses in the network that its packets leave by. */
  readonly ipv4: IpAddress | undefined;
  readonly ipv6: IpAddress | undefined;
  /** Where bindings go that name no address; undefined = everywhere. */
  readonly hostBinding: IpAddress | undefined;
  /** Families without NAT: gateway mode "routed". */
  readonly routesIpv4: boolean;
  readonly routesIpv6: boolean;
  /** The host has IPv6 at all. */
  readonly hostHasIpv6: boolean;
  /** IPv6 of the host is forwarded to containers that only have IPv4. */
  readonly forwardsIpv6: boolean;
}

/** In Docker's order: exact ports before ranges, lowest container port first. */
export function publications(
  bindings: readonly PortBinding[],
  context: PublicationContext,
): readonly PublicationRequest[] {
  const requests: (PublicationRequest & { targets: PublicationTarget[] })[] = [];
  let previous: PortBinding | undefined;
  for (const binding of [...bindings].sort(compareBindings)) {
    const targets = [...ipv4Targets(binding, context), ...ipv6Targets(binding, context)];
    const open = requests.at(-1);
    const isSame = open !== undefined && previous !== undefined && needSamePort(previous, binding);
    // What is asked for twice gets two ports.
    if (isSame && !open.targets.some(({ hostIp }) => targets.some((other) => other.hostIp === hostIp)))
      open.targets.push(...targets);
    else
      requests.push({
        protocol: binding.protocol,
        containerPort: binding.port,
        host: binding.host,
        targets,
      });
    previous = binding;
  }
  return requests.filter(({ targets }) => targets.length > 0);
}

function ipv4Targets({ hostIp }: PortBinding, context: PublicationContext): readonly PublicationTarget[] {
  const { ipv4, hostBinding, routesIpv4 } = context;
  const wanted = hostIp ?? hostBinding ?? ANY_IPV4;
  if (ipv4 === undefined || wanted.family !== 4) return [];
  return [target(routesIpv4 ? ANY_IPV4 : wanted, ipv4, routesIpv4)];
}

function ipv6Targets(
  { hostIp, protocol }: PortBinding,
  context: PublicationContext,
): readonly PublicationTarget[] {
  const { ipv4, ipv6, hostBinding, routesIpv6, hostHasIpv6, forwardsIpv6 } = context;
  // Messages and streams of SCTP would not come through a program.
  const forwarded = forwardsIpv6 && protocol !== "sctp" ? ipv4 : undefined;
  const container = ipv6 ?? forwarded;
  const wanted = hostIp ?? hostBinding ?? (hostHasIpv6 ? ANY_IPV6 : undefined);
  if (container === undefined || wanted?.family !== 6) return [];
  const isRouted = routesIpv6 && ipv6 !== undefined;
  return [target(isRouted ? ANY_IPV6 : wanted, container, isRouted)];
}

function target(host: IpAddress, container: IpAddress, isRouted: boolean): PublicationTarget {
  return { hostIp: formatIp(host), containerIp: formatIp(container), isRouted };
}

function compareBindings(a: PortBinding, b: PortBinding): number {
  return (
    Number(isChoice(a.host)) - Number(isChoice(b.host)) ||
    a.port - b.port ||
    PORT_PROTOCOLS.indexOf(a.protocol) - PORT_PROTOCOLS.indexOf(b.protocol) ||
    a.host.first - b.host.first ||
    a.host.last - b.host.last ||
    compareHosts(a.hostIp, b.hostIp)
  );
}

/** Those that have a choice come last: they may go around the others. */
function isChoice({ first, last }: PortRange): boolean {
  return first === 0 || first !== last;
}

function compareHosts(a: IpAddress | undefined, b: IpAddress | undefined): number {
  if (a === undefined || b === undefined) return Number(a !== undefined) - Number(b !== undefined);
  return compareIp(a, b);
}

/** Alike but for the host's address. */
function needSamePort(a: PortBinding, b: PortBinding): boolean {
  return (
    a.port === b.port &&
    a.protocol === b.protocol &&
    a.host.first === b.host.first &&
    a.host.last === b.host.last
  );
}

/** What `request` becomes with `hostPort`. */
export function published(request: PublicationRequest, hostPort: number): readonly Publication[] {
  return request.targets.map(({ hostIp, containerIp, isRouted }) => ({
    protocol: request.protocol,
    hostIp,
    hostPort: isRouted ? 0 : hostPort,
    containerIp,
    containerPort: request.containerPort,
  }));
}

/** Whether two of the host's addresses cannot both have a port: the same one, or all of a family and one of it. */
export function contends(a: IpAddress, b: IpAddress): boolean {
  return a.family === b.family && (a.value === b.value || isUnspecified(a) || isUnspecified(b));
}
