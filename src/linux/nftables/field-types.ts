/**
 * Types of the fields in keys and values of sets. Several fields make a concatenation: each begins a new word of 4 bytes, and
 * programs that list sets (`nft list ruleset`) learn the types from a number with 6 bits for each (nftables' datatype.h).
 */
import { endianness } from "node:os";
import { fail } from "../../base/errors.ts";
import { ipBytes, parseIp } from "../../base/ip-address.ts";

export type FieldType =
  | "ifname"
  | "nf_proto"
  | "ipv4_addr"
  | "ipv6_addr"
  | "inet_proto"
  | "inet_service"
  | "mark";

const NUMBERS: Readonly<Record<FieldType, number>> = {
  ifname: 41,
  nf_proto: 2,
  ipv4_addr: 7,
  ipv6_addr: 8,
  inet_proto: 12,
  inet_service: 13,
  mark: 19,
};

const BYTES: Readonly<Record<FieldType, number>> = {
  ifname: 16,
  nf_proto: 1,
  ipv4_addr: 4,
  ipv6_addr: 16,
  inet_proto: 1,
  inet_service: 2,
  mark: 4,
};

export const NFPROTO = { ipv4: 2, ipv6: 10 } as const;
export const IPPROTO = { icmp: 1, tcp: 6, udp: 17, "ipv6-icmp": 58, sctp: 132 } as const;

export const padded = (bytes: number): number => (bytes + 3) & ~3;

/** How many bytes the kernel is told that a key or value has. */
export function bytesOf(types: readonly FieldType[]): number {
  const [only, ...more] = types;
  if (only !== undefined && more.length === 0) return BYTES[only];
  return types.reduce((sum, type) => sum + padded(BYTES[type]), 0);
}

export function typeNumberOf(types: readonly FieldType[]): number {
  return types.reduce((number, type) => (number << 6) | NUMBERS[type], 0);
}

function numbered(names: Readonly<Record<string, number>>, text: string): Uint8Array {
  const number = Object.hasOwn(names, text) ? names[text] : undefined;
  if (number === undefined) throw fail("invalid_argument", `${JSON.stringify(text)} is no protocol`);
  return Uint8Array.of(number);
}

function address(family: 4 | 6, text: string): Uint8Array {
  const parsed = parseIp(text);
  if (parsed?.family !== family)
    throw fail("invalid_argument", `${JSON.stringify(text)} is no IPv${family} address`);
  return ipBytes(parsed);
}

/** NUL-padded, or for a comparison with "br-*" only what is before the star. */
export function ifnameBytes(name: string): Uint8Array {
  const bytes = Buffer.from(name);
  if (bytes.length === 0 || bytes.length > 15 || bytes.includes(0))
    throw fail("invalid_argument", `${JSON.stringify(name)} is no name of a link`);
  const field = new Uint8Array(BYTES.ifname);
  field.set(bytes);
  return field;
}

export function portBytes(text: string): Uint8Array {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 0xffff)
    throw fail("invalid_argument", `${JSON.stringify(text)} is no port`);
  return Uint8Array.of(port >> 8, port & 0xff);
}

/** In this machine's byte order, as marks and states are. */
export function wordBytes(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  if (endianness() === "LE") bytes.writeUInt32LE(value);
  else bytes.writeUInt32BE(value);
  return new Uint8Array(bytes);
}

export function fieldBytes(type: FieldType, text: string): Uint8Array {
  switch (type) {
    case "ifname":
      return ifnameBytes(text);
    case "nf_proto":
      return numbered(NFPROTO, text);
    case "inet_proto":
      return numbered(IPPROTO, text);
    case "ipv4_addr":
      return address(4, text);
    case "ipv6_addr":
      return address(6, text);
    case "inet_service":
      return portBytes(text);
    case "mark":
      return wordBytes(Number(text));
  }
}

/** A key or value as the kernel has it. */
export function fieldsBytes(types: readonly FieldType[], texts: readonly string[]): Uint8Array {
  if (types.length !== texts.length)
    throw fail("internal", `${texts.length} fields where the set has ${types.length}`);
  const bytes = new Uint8Array(bytesOf(types));
  let at = 0;
  for (const [index, type] of types.entries()) {
    bytes.set(fieldBytes(type, texts[index] ?? ""), at);
    at += padded(BYTES[type]);
  }
  return bytes;
}
