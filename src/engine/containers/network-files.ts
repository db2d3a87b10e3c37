/**
 * hosts, hostname and resolv.conf of a container, written at its start into its own directory and bound over the image's.
 * They are a few hundred bytes on the daemon's own disk, so they are written synchronously: that is quicker than a trip
 * through the thread pool.
 */
import { chownSync, readFileSync, writeFileSync } from "node:fs";
import type { ContainerPaths } from "./paths.ts";
import type { HostOwner } from "./user-namespace.ts";

export interface NetworkFilesInput {
  readonly hostname: string;
  readonly domainname: string;
  readonly extraHosts: readonly string[];
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOptions: readonly string[];
  /** With the host's network the host's own files are the base. */
  readonly isHostNetwork: boolean;
  /** The container's root, who may write to them, as the host knows him. */
  readonly owner: HostOwner;
}

const LOOPBACK_HOSTS = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
`;

export function writeNetworkFiles(paths: ContainerPaths, input: NetworkFilesInput): void {
  const { uid, gid } = input.owner;
  for (const [path, text] of [
    [paths.hosts, hostsText(input)],
    [paths.hostname, `${input.hostname}\n`],
    [paths.resolvConf, resolvConfText(input)],
  ] as const) {
    writeFileSync(path, text, { mode: 0o644 });
    chownSync(path, uid, gid);
  }
}

function hostsText(input: NetworkFilesInput): string {
  let text = input.isHostNetwork ? readOr("/etc/hosts", LOOPBACK_HOSTS) : LOOPBACK_HOSTS;
  if (!text.endsWith("\n")) text += "\n";
  for (const entry of input.extraHosts) {
    const at = entry.search(/[:=]/);
    text += `${entry.slice(at + 1).replace(/^\[(.*)\]$/, "$1")}\t${entry.slice(0, at)}\n`;
  }
  return text;
}

function resolvConfText(input: NetworkFilesInput): string {
  const { dns, dnsSearch, dnsOptions } = input;
  const kept = readOr("/etc/resolv.conf", "")
    .split("\n")
    .filter((line) => {
      if (/^\s*[#;]/.test(line) || line.trim() === "") return false;
      if (dns.length > 0 && /^\s*nameserver\b/.test(line)) return false;
      if (dnsSearch.length > 0 && /^\s*(search|domain)\b/.test(line)) return false;
      return !(dnsOptions.length > 0 && /^\s*options\b/.test(line));
    });
  const search = dnsSearch.filter((domain) => domain !== ".");
  const lines = [
    ...dns.map((server) => `nameserver ${server}`),
    ...(search.length > 0 ? [`search ${search.join(" ")}`] : []),
    ...(dnsOptions.length > 0 ? [`options ${dnsOptions.join(" ")}`] : []),
  ];
  return [...kept, ...lines].map((line) => `${line}\n`).join("");
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
