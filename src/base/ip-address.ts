/** IP addresses as numbers and as text (RFC 5952); `node:net` has a test for them but costs a short program its start-up time. */

export type IpFamily = 4 | 6;

export interface IpAddress {
  readonly family: IpFamily;
  /** 32 or 128 bits. */
  readonly value: bigint;
}

export const ANY_IPV4: IpAddress = { family: 4, value: 0n };
export const ANY_IPV6: IpAddress = { family: 6, value: 0n };

export function bitsOf(family: IpFamily): number {
  return family === 4 ? 32 : 128;
}

/** Without a zone; undefined for what is no address. */
export function parseIp(text: string): IpAddress | undefined {
  if (!text.includes(":")) {
    const value = ipv4Value(text);
    return value === undefined ? undefined : { family: 4, value };
  }
  const value = ipv6Value(text);
  return value === undefined ? undefined : { family: 6, value };
}

export function isIpAddress(text: string): boolean {
  return parseIp(text) !== undefined;
}

function ipv4Value(text: string): bigint | undefined {
  if (!/^(?:(?:0|[1-9]\d{0,2})\.){3}(?:0|[1-9]\d{0,2})$/.test(text)) return undefined;
  let value = 0n;
  for (const part of text.split(".")) {
    const byte = Number(part);
    if (byte > 255) return undefined;
    value = (value << 8n) | BigInt(byte);
  }
  return value;
}

function ipv6Value(text: string): bigint | undefined {
  const [head = "", tail, ...more] = text.split("::");
  if (more.length > 0) return undefined;
  const first = groupsOf(head, tail === undefined);
  const last = tail === undefined ? [] : groupsOf(tail, true);
  if (first === undefined || last === undefined) return undefined;
  const missing = 8 - first.length - last.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...first, ...Array.from({ length: missing }, () => 0), ...last];
  return groups.reduce((value, group) => (value << 16n) | BigInt(group), 0n);
}

/** `isLast`: the text's end, where an IPv4 address may stand for two groups. */
function groupsOf(text: string, isLast: boolean): readonly number[] | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [at, part] of parts.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16));
    else {
      const value = isLast && at === parts.length - 1 ? ipv4Value(part) : undefined;
      if (value === undefined) return undefined;
      groups.push(Number(value >> 16n), Number(value & 0xffffn));
    }
  }
  return groups;
}

export function formatIp({ family, value }: IpAddress): string {
  if (family === 4) return dotted(value);
  if (value >> 32n === 0xffffn) return `::ffff:${dotted(value & 0xffff_ffffn)}`;
  const groups = Array.from({ length: 8 }, (_, at) => Number((value >> BigInt(112 - 16 * at)) & 0xffffn));
  const { start, length } = longestZeros(groups);
  const text = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(":");
  if (length < 2) return text(groups);
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

function dotted(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join(".");
}

/** The longest run of zeros, the first one of equals. */
function longestZeros(groups: readonly number[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 };
  let length = 0;
  for (const [at, group] of groups.entries()) {
    length = group === 0 ? length + 1 : 0;
    if (length > best.length) best = { start: at - length + 1, length };
  }
  return best;
}

/** `::ffff:192.0.2.1` → `192.0.2.1`; anything else as it is. */
export function unmapped(address: IpAddress): IpAddress {
  const { family, value } = address;
  return family === 6 && value >> 32n === 0xffffn ? { family: 4, value: value & 0xffff_ffffn } : address;
}

export function isUnspecified({ value }: IpAddress): boolean {
  return value === 0n;
}

/** IPv4 before IPv6, then by number. */
export function compareIp(a: IpAddress, b: IpAddress): number {
  if (a.family !== b.family) return a.family - b.family;
  return a.value < b.value ? -1 : a.value > b.value ? 1 : 0;
}

/** Most significant byte first: 4 or 16 of them. */
export function ipBytes({ family, value }: IpAddress): Uint8Array {
  const length = bitsOf(family) / 8;
  return Uint8Array.from({ length }, (_, at) => Number((value >> BigInt(8 * (length - 1 - at))) & 0xffn));
}

/** The other way round. */
export function ipOfBytes(bytes: Uint8Array): IpAddress {
  const value = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return { family: bytes.length === 4 ? 4 : 6, value };
}
