/** Blocks of IP addresses in CIDR notation. A prefix keeps the bits behind its length as they were written: `192.0.2.7/24`. */
import { bitsOf, compareIp, formatIp, type IpAddress, type IpFamily, parseIp } from "./ip-address.ts";
import { fail } from "./errors.ts";

export interface IpPrefix {
  readonly family: IpFamily;
  readonly value: bigint;
  /** Length of the network's part. */
  readonly bits: number;
}

/** Undefined for what is no prefix. */
export function parsePrefix(text: string): IpPrefix | undefined {
  const match = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text);
  const address = parseIp(match?.[1] ?? "");
  const bits = Number(match?.[2]);
  if (address === undefined || bits > bitsOf(address.family)) return undefined;
  return { ...address, bits };
}

/** Throws `invalid_argument`. */
export function parseCidr(text: string): IpPrefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw fail("invalid_argument", `invalid CIDR address: ${text}`);
  return prefix;
}

export function prefixOf(address: IpAddress, bits: number): IpPrefix {
  return { ...address, bits };
}

export function formatPrefix({ family, value, bits }: IpPrefix): string {
  return `${formatIp({ family, value })}/${bits}`;
}

export function addressOf({ family, value }: IpPrefix): IpAddress {
  return { family, value };
}

/** How many addresses it holds. */
export function sizeOf({ family, bits }: IpPrefix): bigint {
  return 1n << BigInt(bitsOf(family) - bits);
}

/** Without the bits behind its length. */
export function masked(prefix: IpPrefix): IpPrefix {
  return { ...prefix, value: prefix.value - (prefix.value % sizeOf(prefix)) };
}

export function isMasked(prefix: IpPrefix): boolean {
  return prefix.value % sizeOf(prefix) === 0n;
}

export function samePrefix(a: IpPrefix, b: IpPrefix): boolean {
  return a.family === b.family && a.value === b.value && a.bits === b.bits;
}

export function firstAddress(prefix: IpPrefix): IpAddress {
  return addressOf(masked(prefix));
}

export function lastAddress(prefix: IpPrefix): IpAddress {
  return { family: prefix.family, value: masked(prefix).value + sizeOf(prefix) - 1n };
}

/** Counted from the block's first one, 0; undefined behind its end. */
export function nthAddress(prefix: IpPrefix, n: bigint): IpAddress | undefined {
  if (n < 0n || n >= sizeOf(prefix)) return undefined;
  return { family: prefix.family, value: masked(prefix).value + n };
}

export function containsAddress(prefix: IpPrefix, { family, value }: IpAddress): boolean {
  const size = sizeOf(prefix);
  return family === prefix.family && value / size === prefix.value / size;
}

/** Whether all of `inner` lies in `outer`. */
export function containsPrefix(outer: IpPrefix, inner: IpPrefix): boolean {
  return inner.bits >= outer.bits && containsAddress(outer, addressOf(inner));
}

/** Blocks overlap only where one contains the other. */
export function overlaps(a: IpPrefix, b: IpPrefix): boolean {
  return containsPrefix(a, b) || containsPrefix(b, a);
}

/** By first address, the larger block before those in it. */
export function comparePrefixes(a: IpPrefix, b: IpPrefix): number {
  return compareIp(firstAddress(a), firstAddress(b)) || a.bits - b.bits;
}
