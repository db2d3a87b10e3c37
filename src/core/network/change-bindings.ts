/**
 * Publishing and no longer publishing ports of a container that exists: what its bindings are afterwards, and what that means for
 * the ports of the host that it has now. Pure.
 */
import { formatIp, parseIp } from "../../base/ip-address.ts";
import { fail } from "../../base/errors.ts";
import type { PublishedPorts } from "../../specs/engine/container.ts";
import { emptyMap } from "../../specs/engine/fields.decode.ts";
import { type ContainerPort, formatPort } from "../../specs/engine/port.ts";
import { alreadyAllocated } from "./find-host-port.ts";
import { type PortBinding, parsePortBindings } from "./port-bindings.ts";
import { contends, type Publication } from "./publications.ts";

type BindingText = PublishedPorts[string][number];

const ANY: BindingText = { HostIp: "", HostPort: "" };

/** A binding as it was asked for, with what it means. */
interface Asked {
  readonly key: string;
  readonly text: BindingText;
  readonly binding: PortBinding;
}

export interface BindingChanges {
  readonly add: PublishedPorts;
  /** No binding of a port: all of them. An address or a host port that is not said: any. */
  readonly remove: PublishedPorts;
}

/**
 * HostConfig.PortBindings with the changes made; removals come first. `inForce` is what the container has now, so that a port of
 * the host that nobody wished for can be named, too. Throws `invalid_argument` for one to be removed that is not there, and
 * `unavailable`, in Docker's words, for one that the container has itself.
 */
export function changeBindings(
  before: PublishedPorts,
  { add, remove }: BindingChanges,
  inForce: readonly Publication[],
): PublishedPorts {
  const asked = askedIn(before);
  const owned = ownersOf(
    asked.map(({ binding }) => binding),
    inForce,
  );
  const removed = new Set(
    Object.entries(remove).flatMap(([key, list]) =>
      (list.length === 0 ? [ANY] : list).flatMap((text) => {
        const found = matching(asked, owned, key, text);
        if (found.length === 0) throw notPublished(key, text, inForce);
        return found;
      }),
    ),
  );
  const kept = asked.filter((one) => !removed.has(one));
  const added = askedIn(add);
  for (const [at, { binding }] of added.entries()) checkFree(binding, [...kept, ...added.slice(0, at)]);
  const ports = emptyMap<BindingText[]>();
  for (const { key, text } of [...kept, ...added]) (ports[key] ??= []).push(text);
  return ports;
}

function askedIn(ports: PublishedPorts): readonly Asked[] {
  return Object.entries(ports).flatMap(([key, list]) =>
    list.flatMap((text) => parsePortBindings({ [key]: [text] }).map((binding) => ({ key, text, binding }))),
  );
}

function matching(
  asked: readonly Asked[],
  owned: ReadonlyMap<PortBinding, readonly Publication[]>,
  key: string,
  text: BindingText,
): readonly Asked[] {
  return parsePortBindings({ [key]: [text] }).flatMap((wanted) =>
    asked.filter(({ binding }) => fits(wanted, binding, owned.get(binding) ?? [])),
  );
}

/** By what was asked for, or by the port of the host that came of it. */
function fits(wanted: PortBinding, binding: PortBinding, owned: readonly Publication[]): boolean {
  const { hostIp, host } = wanted;
  if (formatPort(wanted) !== formatPort(binding)) return false;
  if (hostIp !== undefined && !isSame(hostIp, binding.hostIp)) return false;
  return (
    host.first === 0 ||
    (host.first === binding.host.first && host.last === binding.host.last) ||
    (host.first === host.last && owned.some(({ hostPort }) => hostPort === host.first))
  );
}

function isSame(a: PortBinding["hostIp"], b: PortBinding["hostIp"]): boolean {
  return a?.family === b?.family && a?.value === b?.value;
}

function notPublished(
  key: string,
  { HostIp, HostPort }: BindingText,
  inForce: readonly Publication[],
): Error {
  const [port] = parsePortBindings({ [key]: [ANY] });
  const where = HostIp === "" && HostPort === "" ? "" : ` to ${HostIp}:${HostPort}`;
  const shown = port === undefined ? key : formatPort(port);
  const hint = port === undefined || where !== "" ? "" : hintOf(port, inForce);
  return fail("invalid_argument", `port ${shown} is not published${where}${hint}`);
}

/** What there is instead: a port of `--publish-all`, or one of the host's with the same number. */
function hintOf({ port, protocol }: ContainerPort, inForce: readonly Publication[]): string {
  const alike = inForce.filter((one) => one.protocol === protocol);
  if (alike.some(({ containerPort }) => containerPort === port)) return " by itself: all exposed ports are";
  const led = alike.find(({ hostPort }) => hostPort === port);
  if (led === undefined) return "";
  const inside = formatPort({ port: led.containerPort, protocol });
  return `; that is the host's port for ${inside}: ${led.hostPort}:${inside}`;
}

/** What a start would find out: the running container's own ports are no less taken than others'. */
function checkFree({ port, protocol, hostIp, host }: PortBinding, others: readonly Asked[]): void {
  if (host.first === 0 || host.first !== host.last) return;
  for (const { binding } of others) {
    const isSamePort =
      binding.protocol === protocol && binding.host.first === host.first && binding.host.last === host.last;
    if (!isSamePort || !overlaps(hostIp, binding.hostIp)) continue;
    if (binding.port === port && isSame(hostIp, binding.hostIp))
      throw fail(
        "invalid_argument",
        `port ${formatPort({ port, protocol })} is published to ${hostIp === undefined ? "" : formatIp(hostIp)}:${host.first} already`,
      );
    throw alreadyAllocated(hostIp === undefined ? "0.0.0.0" : formatIp(hostIp), host.first);
  }
}

/** One that names no address goes where its network says, which is not known here unless the other one does, too. */
function overlaps(a: PortBinding["hostIp"], b: PortBinding["hostIp"]): boolean {
  return a === undefined || b === undefined ? a === b : contends(a, b);
}

/**
 * Which ports of the host came of which binding. Where it could be of several, those with less of a choice have theirs first.
 */
function ownersOf(
  bindings: readonly PortBinding[],
  inForce: readonly Publication[],
): ReadonlyMap<PortBinding, readonly Publication[]> {
  const owners = new Map<PortBinding, readonly Publication[]>();
  let left = inForce;
  for (const binding of [...bindings].sort((a, b) => choicesOf(a) - choicesOf(b))) {
    const possible = left.filter((publication) => mayComeOf(binding, publication));
    const own = possible.filter(({ hostPort }) => hostPort === possible[0]?.hostPort);
    owners.set(binding, own);
    left = left.filter((publication) => !own.includes(publication));
  }
  return owners;
}

function choicesOf({ host }: PortBinding): number {
  return host.first === 0 ? 65_536 : host.last - host.first;
}

function mayComeOf({ port, protocol, hostIp, host }: PortBinding, publication: Publication): boolean {
  if (publication.containerPort !== port || publication.protocol !== protocol) return false;
  const isRouted = publication.hostPort === 0;
  if (!isRouted && hostIp !== undefined && !isSame(hostIp, parseIp(publication.hostIp))) return false;
  return (
    isRouted || host.first === 0 || (publication.hostPort >= host.first && publication.hostPort <= host.last)
  );
}

export interface BindingDifference {
  readonly added: readonly PortBinding[];
  /** Ports of the host that have lost their bindings. */
  readonly removed: readonly Publication[];
}

/** What has to be done for a container that runs, which has `inForce` because of `before`. */
export function bindingDifference(
  before: readonly PortBinding[],
  after: readonly PortBinding[],
  inForce: readonly Publication[],
): BindingDifference {
  const gone = without(before, after);
  const owned = ownersOf(before, inForce);
  return {
    added: without(after, before),
    removed: gone.flatMap((binding) => owned.get(binding) ?? []),
  };
}

/** Each of `others` takes one that is like it away. */
function without(bindings: readonly PortBinding[], others: readonly PortBinding[]): readonly PortBinding[] {
  const left = others.map(textOf);
  return bindings.filter((binding) => {
    const at = left.indexOf(textOf(binding));
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

function textOf({ hostIp, host, ...port }: PortBinding): string {
  return `${hostIp === undefined ? "" : formatIp(hostIp)}:${host.first}-${host.last}:${formatPort(port)}`;
}

/**
 * Config.ExposedPorts after the change. Clients expose what they publish, so what nothing is published of any more is exposed no
 * longer: the image's own ports come back by themselves.
 */
export function changeExposed(
  exposed: Readonly<Record<string, Record<string, never>>> | null,
  before: PublishedPorts,
  after: PublishedPorts,
): Readonly<Record<string, Record<string, never>>> {
  const [old, now] = [portsOf(before), portsOf(after)];
  const ports = emptyMap<Record<string, never>>();
  for (const key of Object.keys(exposed ?? {})) if (now.has(key) || !old.has(key)) ports[key] = {};
  for (const port of now) ports[port] = {};
  return ports;
}

function portsOf(ports: PublishedPorts): ReadonlySet<string> {
  return new Set(parsePortBindings(ports).map((port: ContainerPort) => formatPort(port)));
}
