/**
 * Which ports of a container are exposed, and where they are to be published: HostConfig.PortBindings and ExposedPorts, read
 * and checked. Pure.
 *
 * A binding exposes its port: Docker passes over bindings of ports that are not in ExposedPorts as well, and says nothing.
 */
import { type IpAddress, parseIp, unmapped } from "../../base/ip-address.ts";
import { fail } from "../../base/errors.ts";
import {
  comparePorts,
  type ContainerPort,
  formatPort,
  parsePortKey,
  parsePortRange,
  type PortRange,
} from "../../specs/engine/port.ts";

export type PortBindings = Readonly<
  Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[] | null>
>;

export interface PortBinding extends ContainerPort {
  /** Undefined = wherever the network says. */
  readonly hostIp: IpAddress | undefined;
  /** The first free one of these; 0 = any. */
  readonly host: PortRange;
}

const ANY_PORT: PortRange = { first: 0, last: 0 };

/** Throws `invalid_argument`. For every create request, and before every start. */
export function parsePortBindings(bindings: PortBindings): readonly PortBinding[] {
  return Object.entries(bindings).flatMap(([key, list]) => {
    const port = parsePortKey(key);
    if (port === undefined || port.range.first !== port.range.last || port.range.first === 0)
      throw invalidPort(key, port === undefined && parsePortRange(portOf(key)) !== undefined);
    const { range, protocol } = port;
    return (list ?? []).map(({ HostIp, HostPort }) => ({
      port: range.first,
      protocol,
      hostIp: hostIpOf(HostIp),
      host: hostPortOf(HostPort),
    }));
  });
}

function portOf(key: string): string {
  return key.split("/", 1)[0] ?? "";
}

function invalidPort(key: string, hasWrongProtocol: boolean): Error {
  const shown = key.slice(0, 100);
  if (hasWrongProtocol)
    return fail("invalid_argument", `invalid proto: ${shown.slice(shown.indexOf("/") + 1)}`);
  return fail("invalid_argument", `invalid port specification: ${JSON.stringify(portOf(shown))}`);
}

function hostIpOf(text: string): IpAddress | undefined {
  if (text === "") return undefined;
  const address = parseIp(text);
  if (address === undefined) throw fail("invalid_argument", `invalid IP address: ${text.slice(0, 100)}`);
  return unmapped(address);
}

/** A protocol behind it is passed over: "8080/tcp". */
function hostPortOf(text: string): PortRange {
  if (text === "") return ANY_PORT;
  const range = parsePortRange(portOf(text));
  if (range === undefined || (range.first === 0 && range.last > 0))
    throw fail("invalid_argument", `invalid port specification: ${JSON.stringify(text.slice(0, 100))}`);
  return range;
}

/** Each once, in order; what is no port is passed over: images say all sorts of things. */
export function exposedPorts(
  exposed: Readonly<Record<string, unknown>> | null,
  bindings: readonly PortBinding[],
): readonly ContainerPort[] {
  const ports = new Map<string, ContainerPort>();
  const add = (port: ContainerPort): unknown => ports.set(formatPort(port), port);
  for (const key of Object.keys(exposed ?? {})) {
    const parsed = parsePortKey(key);
    if (parsed === undefined) continue;
    const { range, protocol } = parsed;
    for (let port = Math.max(range.first, 1); port <= range.last; port++) add({ port, protocol });
  }
  for (const { port, protocol } of bindings) add({ port, protocol });
  return [...ports.values()].sort(comparePorts);
}

/** `-P`: every exposed port that is not bound yet goes to any free port. */
export function publishAll(
  exposed: readonly ContainerPort[],
  bindings: readonly PortBinding[],
): readonly PortBinding[] {
  const bound = new Set(bindings.map(formatPort));
  const others = exposed.filter((port) => !bound.has(formatPort(port)));
  return [...bindings, ...others.map((port) => ({ ...port, hostIp: undefined, host: ANY_PORT }))];
}
