/**
 * Messages and attributes of netlink, written and read; what they mean is known to who asks (rtnetlink here, nftables beside).
 * Numbers are in this machine's byte order unless they are called big-endian. linux/netlink.h:
 *
 *     message     u32 length | u16 type | u16 flags | u32 sequence | u32 port | fixed header | attributes      to 4 bytes
 *     attribute   u16 length | u16 type (bit 15: nested, bit 14: big-endian) | value                           to 4 bytes
 *
 * Both lengths count their header and not the padding behind. Readers take nothing on trust and never look past their end.
 */
import { endianness } from "node:os";
import { fail } from "../../base/errors.ts";

const LITTLE = endianness() === "LE";

export const FLAG = {
  request: 1,
  multi: 2,
  ack: 4,
  /** In a listing: somebody changed what it is of, it may contradict itself. */
  interrupted: 0x10,
  /** Of requests for something. */
  dump: 0x300,
  /** Of requests that make something. */
  replace: 0x100,
  exclusive: 0x200,
  create: 0x400,
  append: 0x800,
} as const;

/** Types that every protocol has. */
export const CONTROL = { noop: 1, error: 2, done: 3, overrun: 4 } as const;

export const HEADER_BYTES = 16;
const ATTRIBUTE_HEADER_BYTES = 4;
const NESTED = 0x8000;
const TYPE_MASK = 0x3fff;
const MAX_ATTRIBUTE_BYTES = 0xffff;

const padded = (bytes: number): number => (bytes + 3) & ~3;

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Written, with its padding. */
export type Attribute = Uint8Array;
/** What is undefined is left out. */
export type Attributes = readonly (Attribute | undefined)[];

function joined(parts: Attributes, before: number): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + (part?.length ?? 0), before));
  let at = before;
  for (const part of parts) {
    if (part === undefined) continue;
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function attributeOf(
  type: number,
  valueBytes: number,
): { readonly bytes: Uint8Array; readonly view: DataView } {
  const length = ATTRIBUTE_HEADER_BYTES + valueBytes;
  if (length > MAX_ATTRIBUTE_BYTES) throw fail("invalid_argument", `a netlink attribute of ${length} bytes`);
  const bytes = new Uint8Array(padded(length));
  const view = viewOf(bytes);
  view.setUint16(0, length, LITTLE);
  view.setUint16(2, type, LITTLE);
  return { bytes, view };
}

function bytesAttribute(type: number, value: Uint8Array): Attribute {
  const { bytes } = attributeOf(type, value.length);
  bytes.set(value, ATTRIBUTE_HEADER_BYTES);
  return bytes;
}

/** Writers of attributes. */
export const attribute = {
  u8(type: number, value: number): Attribute {
    const { bytes, view } = attributeOf(type, 1);
    view.setUint8(4, value);
    return bytes;
  },
  u16(type: number, value: number): Attribute {
    const { bytes, view } = attributeOf(type, 2);
    view.setUint16(4, value, LITTLE);
    return bytes;
  },
  u32(type: number, value: number): Attribute {
    const { bytes, view } = attributeOf(type, 4);
    view.setUint32(4, value, LITTLE);
    return bytes;
  },
  u64(type: number, value: bigint): Attribute {
    const { bytes, view } = attributeOf(type, 8);
    view.setBigUint64(4, value, LITTLE);
    return bytes;
  },
  be16(type: number, value: number): Attribute {
    const { bytes, view } = attributeOf(type, 2);
    view.setUint16(4, value);
    return bytes;
  },
  be32(type: number, value: number): Attribute {
    const { bytes, view } = attributeOf(type, 4);
    view.setUint32(4, value);
    return bytes;
  },
  be64(type: number, value: bigint): Attribute {
    const { bytes, view } = attributeOf(type, 8);
    view.setBigUint64(4, value);
    return bytes;
  },
  /** With the NUL that most readers want. */
  string(type: number, value: string): Attribute {
    if (value.includes("\0"))
      throw fail("invalid_argument", `a NUL byte is not allowed in ${JSON.stringify(value)}`);
    return bytesAttribute(type, Buffer.from(`${value}\0`));
  },
  bytes: bytesAttribute,
  /** Nothing but its being there. */
  flag(type: number): Attribute {
    return attributeOf(type, 0).bytes;
  },
  nested(type: number, attributes: Attributes): Attribute {
    const inner = joined(attributes, 0);
    return bytesAttribute(type | NESTED, inner);
  },
};

/** A fixed header: fields of 1, 2, 4 or 8 bytes in this machine's order, where C puts them; padding is a field of its own. */
export function struct(...fields: readonly (readonly [bytes: 1 | 2 | 4 | 8, value: number])[]): Uint8Array {
  const bytes = new Uint8Array(fields.reduce((sum, [size]) => sum + size, 0));
  const view = viewOf(bytes);
  let at = 0;
  for (const [size, value] of fields) {
    if (size === 1) view.setUint8(at, value);
    else if (size === 2) view.setUint16(at, value, LITTLE);
    else if (size === 4) view.setUint32(at, value, LITTLE);
    else view.setBigUint64(at, BigInt(value), LITTLE);
    at += size;
  }
  return bytes;
}

/** A message that waits for its sequence number. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  /** The whole of it, with 0 for the sequence number. */
  readonly bytes: Uint8Array;
}

/** `flags`: besides FLAG.request, which all have. */
export function message(type: number, flags: number, header: Uint8Array, attributes: Attributes): Message {
  const body = padded(header.length);
  const bytes = joined(attributes, HEADER_BYTES + body);
  bytes.set(header, HEADER_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, bytes.length, LITTLE);
  view.setUint16(4, type, LITTLE);
  view.setUint16(6, flags | FLAG.request, LITTLE);
  return { type, flags: flags | FLAG.request, bytes };
}

/** One behind the other; the first gets the sequence number `first`, and so on. */
export function batch(messages: readonly Message[], first: number): Uint8Array {
  const bytes = joined(
    messages.map((one) => one.bytes),
    0,
  );
  const view = viewOf(bytes);
  let at = 0;
  for (const [index, one] of messages.entries()) {
    view.setUint32(at + 8, first + index, LITTLE);
    at += one.bytes.length;
  }
  return bytes;
}

/** What came from the kernel. */
export interface Answer {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** A view, not a copy: fixed header and attributes. */
  readonly payload: Uint8Array;
}

export function* readMessages(bytes: Uint8Array): Generator<Answer, void> {
  const view = viewOf(bytes);
  for (let at = 0; at < bytes.length; ) {
    const room = bytes.length - at;
    const length = room < HEADER_BYTES ? 0 : view.getUint32(at, LITTLE);
    if (length < HEADER_BYTES || length > room)
      throw fail("internal", `a netlink message of ${length} bytes in ${room}`);
    yield {
      type: view.getUint16(at + 4, LITTLE),
      flags: view.getUint16(at + 6, LITTLE),
      sequence: view.getUint32(at + 8, LITTLE),
      payload: bytes.subarray(at + HEADER_BYTES, at + length),
    };
    at += padded(length);
  }
}

/** In order, also those that come more than once; types without their flag bits. `at`: behind a fixed header. */
export function* eachAttribute(
  bytes: Uint8Array,
  at = 0,
): Generator<readonly [type: number, value: Uint8Array], void> {
  const view = viewOf(bytes);
  for (let next = at; next < bytes.length; ) {
    const room = bytes.length - next;
    const length = room < ATTRIBUTE_HEADER_BYTES ? 0 : view.getUint16(next, LITTLE);
    if (length < ATTRIBUTE_HEADER_BYTES || length > room)
      throw fail("internal", `a netlink attribute of ${length} bytes in ${room}`);
    yield [
      view.getUint16(next + 2, LITTLE) & TYPE_MASK,
      bytes.subarray(next + ATTRIBUTE_HEADER_BYTES, next + length),
    ];
    next += padded(length);
  }
}

/** By type; of those that come more than once the last one. */
export function readAttributes(bytes: Uint8Array, at = 0): ReadonlyMap<number, Uint8Array> {
  return new Map(eachAttribute(bytes, at));
}

function viewAt(bytes: Uint8Array, at: number, size: number): DataView {
  if (at + size > bytes.length)
    throw fail("internal", `a netlink value of ${size} bytes at ${at} of ${bytes.length}`);
  return viewOf(bytes);
}

/** Readers of values and of fields in fixed headers. */
export const read = {
  u8: (bytes: Uint8Array, at = 0): number => viewAt(bytes, at, 1).getUint8(at),
  u16: (bytes: Uint8Array, at = 0): number => viewAt(bytes, at, 2).getUint16(at, LITTLE),
  u32: (bytes: Uint8Array, at = 0): number => viewAt(bytes, at, 4).getUint32(at, LITTLE),
  i32: (bytes: Uint8Array, at = 0): number => viewAt(bytes, at, 4).getInt32(at, LITTLE),
  u64: (bytes: Uint8Array, at = 0): bigint => viewAt(bytes, at, 8).getBigUint64(at, LITTLE),
  be16: (bytes: Uint8Array, at = 0): number => viewAt(bytes, at, 2).getUint16(at),
  be32: (bytes: Uint8Array, at = 0): number => viewAt(bytes, at, 4).getUint32(at),
  be64: (bytes: Uint8Array, at = 0): bigint => viewAt(bytes, at, 8).getBigUint64(at),
  /** Up to the NUL, where there is one. */
  string(bytes: Uint8Array): string {
    const end = bytes.indexOf(0);
    return Buffer.from(bytes.buffer, bytes.byteOffset, end < 0 ? bytes.length : end).toString("utf8");
  },
};
