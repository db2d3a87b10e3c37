/**
 * hosts, hostname and resolv.conf of a container, written at its start into its own directory and bound over the image's.
 * They are a few hundred bytes on the daemon's own disk, so they are written synchronously: that is quicker than a trip
 * through the thread pool.
 */
import { chownSync, readFileSync, writeFileSync } from "node:fs";
import { readSmallFile, rewriteFile } from "../../base/rewrite-file.ts";
import type { Place } from "../../core/network/gateways.ts";
import { gatewaysOf } from "../../core/network/gateways.ts";
import { hostsLine, hostsText, type HostsLine, ownLines } from "../../core/network/hosts-file.ts";
import type { NetworkParts } from "../networks/network-parts.ts";
import { hostGatewaysOf, ownAddresses, resolvConfOf } from "../networks/resolver.ts";
import type { Container } from "./container.ts";
import type { ContainerPaths } from "./paths.ts";
import type { HostOwner } from "./user-namespace.ts";

export interface NetworkFilesInput {
  readonly container: Container;
  readonly places: readonly Place[];
  /** Containers that it is linked with, with all their names. */
  readonly linked: readonly HostsLine[];
  /** The container's root, who may write to them, as the host knows him. */
  readonly owner: HostOwner;
}

/** Throws `invalid_argument` for an extra host that stands for a gateway where there is none. */
export function writeNetworkFiles(
  parts: NetworkParts,
  paths: ContainerPaths,
  input: NetworkFilesInput,
): void {
  const { container, owner } = input;
  const { config, host } = container;
  for (const [path, text] of [
    [paths.hosts, hostsOf(parts, input)],
    [paths.hostname, `${config.Hostname}\n`],
    [paths.resolvConf, resolvConfOf(parts, host, input.places)],
  ] as const) {
    writeFileSync(path, text, { mode: 0o644 });
    chownSync(path, owner.uid, owner.gid);
  }
}

function hostsOf(parts: NetworkParts, { container, places, linked }: NetworkFilesInput): string {
  const { config, host } = container;
  const { ipv4, ipv6 } = gatewaysOf(places);
  const leadsOut = ipv4 !== undefined || ipv6 !== undefined;
  return hostsText({
    hostname: config.Hostname,
    domainname: config.Domainname,
    addresses: ownAddresses(places),
    extraHosts: host.ExtraHosts ?? [],
    hostGateways: hostGatewaysOf(parts),
    defaultHosts: leadsOut ? parts.options.defaultExtraHosts : [],
    linked,
    hasIpv6: parts.options.hostHasIpv6,
    base: host.NetworkMode === "host" ? readOr("/etc/hosts", "") : undefined,
  });
}

const MAX_HOSTS_BYTES = 1 << 20;

interface HostNames {
  readonly hostname: string;
  readonly domainname: string;
}

/**
 * Puts lines for new addresses into a running container's file and takes those of old ones out of it; what the container has
 * written there stays. The file itself stays the same one, as it is bound into the container.
 */
export function changeHostsFile(
  path: string,
  names: HostNames,
  change: { readonly added: readonly string[]; readonly removed: readonly string[] },
): void {
  const removed = new Set(linesOf(names, change.removed));
  rewriteHosts(path, (line) => !removed.has(line), linesOf(names, change.added));
}

/** Lines of the same names have these addresses from now on. */
export function replaceHostsLines(path: string, lines: readonly HostsLine[]): void {
  const names = new Set(lines.map(({ name }) => name));
  const stays = (line: string): boolean => !names.has(line.slice(line.indexOf("\t") + 1, -1));
  rewriteHosts(path, stays, lines.map(hostsLine));
}

/** `name`: all that stands behind the address. */
export function dropHostsLines(path: string, name: string): void {
  rewriteHosts(path, (line) => line.slice(line.indexOf("\t") + 1, -1) !== name, []);
}

/** For one of which it is not known how far a change has come: it has its own name for these addresses, and for no others. */
export function mendHostsFile(path: string, names: HostNames, addresses: readonly string[]): void {
  const [own = ""] = linesOf(names, ["0.0.0.0"]);
  const its = own.slice(own.indexOf("\t"));
  rewriteHosts(path, (line) => its === "" || !line.endsWith(its), linesOf(names, addresses));
}

/** Lines with their ends. A file that the container has made too large stays as it is. */
function rewriteHosts(path: string, stays: (line: string) => boolean, added: readonly string[]): void {
  const text = readSmallFile(path, MAX_HOSTS_BYTES);
  if (text === undefined) return;
  const kept = text
    .split("\n")
    .filter((line) => stays(`${line}\n`))
    .join("\n");
  const start = kept === "" || kept.endsWith("\n") ? kept : `${kept}\n`;
  const now = start + added.join("");
  if (now !== text) rewriteFile(path, now);
}

function linesOf(names: HostNames, addresses: readonly string[]): readonly string[] {
  return ownLines({ ...names, addresses }).map(hostsLine);
}
/** The host's file of at most 64 KiB, or `fallback` when there is none. */
function readOr(path: string, fallback: string): string {
  try {
    const text = readFileSync(path, "utf8");
    return text.length > 65_536 ? fallback : text;
  } catch {
    return fallback;
  }
}
