/** Single values of what the daemon is told about networks, refused in Docker's words where it has some. Pure. */
import { fail } from "../base/errors.ts";
import { formatIp, parseIp } from "../base/ip-address.ts";
import { boolError, parseBool, parseInteger } from "../core/network/go-values.ts";
import { type AddressPool, decodeAddressPools } from "../core/network/pools.ts";

export function checkAddress(text: string): string {
  const address = parseIp(text);
  if (address === undefined) throw wrong(`invalid IP address: ${text}`);
  return formatIp(address);
}

const LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
const DOMAIN = new RegExp(`^(?=.*[a-zA-Z])${LABEL}(?:\\.${LABEL})*\\.?$`);

/** "." = no search at all. */
export function checkSearchDomain(text: string): string {
  const domain = text.trim();
  if (domain === ".") return domain;
  if (domain.length > 254 || !DOMAIN.test(domain)) throw wrong(`${text} is not a valid domain`);
  return domain.replace(/\.$/, "");
}

/** As for a container's: one word of a line in resolv.conf. */
export function checkResolverOption(text: string): string {
  if (!/^[^\s#;]+$/.test(text)) throw wrong(`invalid DNS option: ${JSON.stringify(text)}`);
  return text;
}

/** As for a container's; the result is always "name:address". */
export function checkExtraHost(text: string): string {
  const match = /^([^\s:=#]+)[:=](\S+)$/.exec(text);
  if (match === null) throw wrong(`bad format for default-extra-hosts: ${JSON.stringify(text)}`);
  const [, name = "", wanted = ""] = match;
  const address = wanted.replace(/^\[(.*)\]$/, "$1");
  if (address !== "host-gateway" && parseIp(address) === undefined)
    throw wrong(`invalid IP address in default-extra-hosts: ${JSON.stringify(address)}`);
  return `${name}:${address}`;
}

/** The addresses as they are. */
export function checkHostGateways(addresses: readonly string[]): readonly string[] {
  for (const family of [4, 6])
    if (addresses.filter((text) => parseIp(text)?.family === family).length > 1)
      throw wrong(`only one IPv${family} host gateway IP address can be specified`);
  return addresses;
}

export function checkFirewallBackend(text: string): "nftables" {
  if (text === "nftables") return text;
  throw wrong(
    text === "iptables"
      ? 'firewall-backend "iptables" is not supported: this engine makes its rules with nftables only'
      : 'invalid firewall-backend: the one allowed value is "nftables"',
  );
}

export function checkMtu(mtu: number): number {
  if (mtu < 0) throw wrong(`invalid default MTU: ${mtu}`);
  return mtu;
}

export function refuseProxyPath(): never {
  throw wrong(
    "userland-proxy-path is not supported: ports are forwarded by the engine itself, there is no program",
  );
}

/** "true", "0", … */
export function boolOf(text: string): boolean {
  const value = parseBool(text);
  if (value === undefined) throw wrong(boolError(text));
  return value;
}

export function integerOf(text: string): number {
  const value = parseInteger(text);
  if (typeof value === "string") throw wrong(value);
  return value;
}

/** "base=10.10.0.0/16,size=24" */
export function poolOf(text: string): readonly AddressPool[] {
  let pool: { readonly base?: string; readonly size?: number } = {};
  for (const field of text.split(",")) {
    const [name, value] = cutAtEquals(field);
    const key = name.toLowerCase();
    if (value === undefined) throw wrong(`invalid field '${field}' must be a key=value pair`);
    if (key === "base") pool = { ...pool, base: value };
    else if (key === "size") pool = { ...pool, size: sizeOf(value) };
    else throw wrong(`unexpected key '${key}' in '${field}'`);
  }
  return decodeAddressPools([pool]);
}

function sizeOf(text: string): number {
  const size = parseInteger(text);
  if (typeof size === "string")
    throw wrong(`invalid size value: ${JSON.stringify(text)} (must be integer): ${size}`);
  return size;
}

/** "bridge=com.docker.network.driver.mtu=1400" */
export function networkOptionOf(text: string): { driver: string; option: string; value: string } {
  const [driver, rest = ""] = cutAtEquals(text);
  const [option, value] = cutAtEquals(rest);
  if (driver === "" || option === "" || value === undefined)
    throw wrong(`invalid value ${JSON.stringify(text)} for map option, should be root-key=key=value`);
  return { driver, option, value };
}

function cutAtEquals(text: string): readonly [string, string?] {
  const at = text.indexOf("=");
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function wrong(message: string): Error {
  return fail("invalid_argument", message);
}
