/** A container's /etc/hosts, as text. Pure. */
import { parseIp } from "../../base/ip-address.ts";
import { fail } from "../../base/errors.ts";

export interface HostsInput {
  readonly hostname: string;
  readonly domainname: string;
  /** The container's own, without their subnets' lengths, in the order of its interfaces; IPv4 before IPv6 of each. */
  readonly addresses: readonly string[];
  /** "name:address" or "name=address"; the address may be "host-gateway". */
  readonly extraHosts: readonly string[];
  /** What "host-gateway" stands for: an address of each family, none when there is no bridge network. */
  readonly hostGateways: readonly string[];
  /** As extra hosts, unless one of those is called so; "host-gateway" without a gateway is passed over. */
  readonly defaultHosts: readonly string[];
  /** Containers that this one is linked with, by all their names. */
  readonly linked: readonly HostsLine[];
  /** The container has IPv6 at all: its loopback, at least. */
  readonly hasIpv6: boolean;
  /** The host's own file, for containers in its network; used as it is when there are no extra hosts. */
  readonly base: string | undefined;
}

const LOOPBACK_IPV4 = "127.0.0.1\tlocalhost\n";
const LOOPBACK_IPV6 = `::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
`;

const HOST_GATEWAY = "host-gateway";

/** Throws `invalid_argument` for "host-gateway" without a gateway, and for what is no extra host. */
export function hostsText(input: HostsInput): string {
  const { base, extraHosts, hasIpv6, hostGateways, linked } = input;
  if (base !== undefined && extraHosts.length === 0)
    return base.endsWith("\n") || base === "" ? base : `${base}\n`;
  const extra = extraHosts.flatMap((entry) => extraLines(entry, hostGateways));
  const named = new Set(extra.map(({ name }) => name));
  const defaults = defaultHostLines(input.defaultHosts, hostGateways).filter(({ name }) => !named.has(name));
  const lines = [...extra, ...defaults, ...linked, ...ownLines(input)];
  const text = lines.filter(({ address }) => hasIpv6 || !address.includes(":")).map(hostsLine);
  return LOOPBACK_IPV4 + (hasIpv6 ? LOOPBACK_IPV6 : "") + text.join("");
}

/** What a container is to find of the host, by name. */
export function defaultHostLines(
  entries: readonly string[],
  hostGateways: readonly string[],
): readonly HostsLine[] {
  return entries.flatMap((entry) =>
    entry.endsWith(HOST_GATEWAY) && hostGateways.length === 0 ? [] : extraLines(entry, hostGateways),
  );
}

/** The lines of the container's own addresses, which come and go with its networks. */
export function ownLines(
  input: Pick<HostsInput, "hostname" | "domainname" | "addresses">,
): readonly HostsLine[] {
  const name = ownNames(input);
  return name === "" ? [] : input.addresses.map((address) => ({ address, name }));
}

export function hostsLine({ address, name }: HostsLine): string {
  return `${address}\t${name}\n`;
}

export interface HostsLine {
  readonly address: string;
  readonly name: string;
}

function extraLines(entry: string, hostGateways: readonly string[]): readonly HostsLine[] {
  const match = /^([^\s:=#]+)[:=](\S+)$/.exec(entry);
  if (match === null) throw fail("invalid_argument", `bad format for add-host: ${JSON.stringify(entry)}`);
  const [, name = "", wanted = ""] = match;
  const address = wanted.replace(/^\[(.*)\]$/, "$1");
  if (address === HOST_GATEWAY) {
    if (hostGateways.length === 0)
      throw fail("invalid_argument", "unable to derive the IP value for host-gateway");
    return hostGateways.map((gateway) => ({ address: gateway, name }));
  }
  if (parseIp(address) === undefined)
    throw fail("invalid_argument", `invalid IP address in add-host: ${JSON.stringify(address)}`);
  return [{ address, name }];
}

/** "web.example.org web": with the domain first, which may be part of the host name already. */
function ownNames({ hostname, domainname }: Pick<HostsInput, "hostname" | "domainname">): string {
  const full = domainname === "" ? hostname : `${hostname}.${domainname}`;
  const dot = full.indexOf(".");
  return dot < 0 ? full : `${full} ${full.slice(0, dot)}`;
}
