/** Addresses and ranges of them (CIDR), both kinds. */
import { BlockList, isIP } from "node:net";

export interface IpRange {
  readonly text: string;
  contains(address: string): boolean;
}

/** Undefined for what is none. */
export function parseCidr(text: string): IpRange | undefined {
  const match = /^([0-9a-fA-F:.]+)\/(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  const [, address = "", digits = ""] = match;
  const kind = isIP(address);
  const bits = Number(digits);
  if (kind === 0 || bits > (kind === 4 ? 32 : 128)) return undefined;
  const list = new BlockList();
  list.addSubnet(address, bits, kind === 4 ? "ipv4" : "ipv6");
  return { text, contains: (other) => listed(list, other) };
}

function rangesOf(texts: readonly string[]): BlockList {
  const list = new BlockList();
  for (const text of texts) {
    const [address = "", bits = ""] = text.split("/");
    list.addSubnet(address, Number(bits), isIP(address) === 4 ? "ipv4" : "ipv6");
  }
  return list;
}

function listed(list: BlockList, address: string): boolean {
  const plain = unmapped(address);
  const kind = isIP(plain);
  return kind !== 0 && list.check(plain, kind === 4 ? "ipv4" : "ipv6");
}

/** "127.0.0.1" for "::ffff:127.0.0.1" and "::ffff:7f00:1": the kernel connects to the same place. */
function unmapped(address: string): string {
  const mapped = /^::ffff:(?:(\d+\.\d+\.\d+\.\d+)|([0-9a-f]{1,4}):([0-9a-f]{1,4}))$/i.exec(address);
  if (mapped === null) return address;
  if (mapped[1] !== undefined) return mapped[1];
  const high = Number.parseInt(mapped[2] ?? "", 16);
  const low = Number.parseInt(mapped[3] ?? "", 16);
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

export const LOOPBACK_RANGES: readonly string[] = ["::1/128", "127.0.0.0/8"];
const LOOPBACK = rangesOf(LOOPBACK_RANGES);
/** Addresses that mean this machine or its link: no registry has business sending anybody there. */
const LOCAL = rangesOf([...LOOPBACK_RANGES, "0.0.0.0/8", "169.254.0.0/16", "fe80::/10", "::/128"]);

/** An address, or a name that always means one: "localhost" (RFC 6761). */
export function isLoopbackHost(hostname: string): boolean {
  return /^(?:.+\.)?localhost$/i.test(hostname) || listed(LOOPBACK, hostname);
}

export function isLocalAddress(address: string): boolean {
  return listed(LOCAL, address);
}

/** Without the brackets of a URL's IPv6 address. */
export function hostnameOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, "$1");
}
