/**
 * Messages of the D-Bus protocol, as far as systemd's manager needs them: little-endian, types y b u t s o g v, arrays and
 * structs of them. https://dbus.freedesktop.org/doc/dbus-specification.html, "Marshaling" and "Message Format"
 *
 *     byte 'l' | byte type | byte flags | byte 1 | u32 body bytes | u32 serial | array of (byte code, variant) | to 8 | body
 */
import { fail } from "../base/errors.ts";

export const MESSAGE = { call: 1, reply: 2, error: 3, signal: 4 } as const;
const FIELD = {
  path: 1,
  interface: 2,
  member: 3,
  errorName: 4,
  replySerial: 5,
  destination: 6,
  signature: 8,
} as const;

/** The fixed part, up to the length of the array of fields. */
export const FIXED_BYTES = 16;
/** The protocol would allow 128 MiB; the longest that is of use to us is a refused unit's error text. */
const MAX_MESSAGE_BYTES = 1 << 20;
const VERSION = 1;

/** A value with its signature: what a property of a unit can be. */
export type DBusValue =
  | { readonly type: "s"; readonly value: string }
  | { readonly type: "b"; readonly value: boolean }
  | { readonly type: "t"; readonly value: bigint }
  | { readonly type: "ay"; readonly value: Uint8Array }
  | { readonly type: "au"; readonly value: readonly number[] }
  | { readonly type: "a(ss)"; readonly value: readonly (readonly [string, string])[] };

export type Property = readonly [name: string, value: DBusValue];

/** Every value is aligned to its own size, counted from the message's beginning. */
export class DBusWriter {
  #bytes = Buffer.alloc(1024);
  #used = 0;

  #room(bytes: number): number {
    const at = this.#used;
    if (at + bytes > this.#bytes.length) {
      if (at + bytes > MAX_MESSAGE_BYTES) throw fail("invalid_argument", "a D-Bus message is too long");
      const grown = Buffer.alloc(Math.max(this.#bytes.length * 2, at + bytes));
      this.#bytes.copy(grown, 0, 0, at);
      this.#bytes = grown;
    }
    this.#used = at + bytes;
    return at;
  }

  align(bytes: number): this {
    this.#room(-this.#used & (bytes - 1));
    return this;
  }

  byte(value: number): this {
    const at = this.#room(1);
    this.#bytes.writeUInt8(value, at);
    return this;
  }

  u32(value: number): this {
    const at = this.align(4).#room(4);
    this.#bytes.writeUInt32LE(value, at);
    return this;
  }

  u64(value: bigint): this {
    const at = this.align(8).#room(8);
    this.#bytes.writeBigUInt64LE(value, at);
    return this;
  }

  /** Strings and object paths. Throws `invalid_argument` for a NUL byte, which would end it for the other side. */
  string(value: string): this {
    this.u32(Buffer.byteLength(value));
    return this.#text(value);
  }

  signature(value: string): this {
    return this.byte(Buffer.byteLength(value)).#text(value);
  }

  #text(value: string): this {
    if (value.includes("\0"))
      throw fail("invalid_argument", `a NUL byte is not allowed in ${JSON.stringify(value)}`);
    const at = this.#room(Buffer.byteLength(value) + 1);
    this.#bytes.write(value, at, "utf8");
    return this;
  }

  /** The length counts neither itself nor the padding before the first element. `alignment`: of an element; structs have 8. */
  array(alignment: 1 | 4 | 8, elements: () => void): this {
    const lengthAt = this.u32(0).#used - 4;
    const start = this.align(alignment).#used;
    elements();
    this.#bytes.writeUInt32LE(this.#used - start, lengthAt);
    return this;
  }

  variant(value: DBusValue): this {
    return this.signature(value.type).#value(value);
  }

  #value(of: DBusValue): this {
    switch (of.type) {
      case "s":
        return this.string(of.value);
      case "b":
        return this.u32(of.value ? 1 : 0);
      case "t":
        return this.u64(of.value);
      case "ay":
        return this.array(1, () => of.value.forEach((byte) => this.byte(byte)));
      case "au":
        return this.array(4, () => of.value.forEach((number) => this.u32(number)));
      case "a(ss)":
        return this.array(8, () =>
          of.value.forEach(([first, second]) => this.align(8).string(first).string(second)),
        );
    }
  }

  /** a(sv) */
  properties(list: readonly Property[]): this {
    return this.array(8, () => list.forEach(([name, value]) => this.align(8).string(name).variant(value)));
  }

  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#used);
  }
}

export interface Call {
  /** Absent on a connection without a broker. */
  readonly destination?: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  /** Of the body; "" for none. */
  readonly signature: string;
  readonly body: (writer: DBusWriter) => unknown;
}

/** `serial`: not 0, and of this message alone. */
export function encodeCall(call: Call, serial: number): Buffer {
  const body = new DBusWriter();
  call.body(body);
  const writer = new DBusWriter();
  const text = (code: number, type: "s" | "o", value: string): void => {
    writer.align(8).byte(code).signature(type).string(value);
  };
  writer
    .byte("l".charCodeAt(0))
    .byte(MESSAGE.call)
    .byte(0)
    .byte(VERSION)
    .u32(body.bytes().length)
    .u32(serial);
  writer.array(8, () => {
    text(FIELD.path, "o", call.path);
    text(FIELD.interface, "s", call.interface);
    text(FIELD.member, "s", call.member);
    if (call.destination !== undefined) text(FIELD.destination, "s", call.destination);
    if (call.signature !== "") writer.align(8).byte(FIELD.signature).signature("g").signature(call.signature);
  });
  return Buffer.concat([writer.align(8).bytes(), body.bytes()]);
}

/** What came in. The body is read by who knows what it is. */
export interface Message {
  readonly type: number;
  readonly replySerial: number | undefined;
  readonly interface: string | undefined;
  readonly member: string | undefined;
  readonly errorName: string | undefined;
  readonly signature: string;
  readonly body: Buffer;
}

/** The whole length of the message that begins here, from its first 16 bytes. Throws `unavailable` for what is none. */
export function messageBytes(head: Buffer): number {
  if (head.readUInt8(0) !== "l".charCodeAt(0) || head.readUInt8(3) !== VERSION)
    throw fail("unavailable", "the D-Bus peer speaks another protocol");
  const total = FIXED_BYTES + ((head.readUInt32LE(12) + 7) & ~7) + head.readUInt32LE(4);
  if (head.readUInt32LE(12) > MAX_MESSAGE_BYTES || total > MAX_MESSAGE_BYTES)
    throw fail("unavailable", `the D-Bus peer sent a message of ${total} bytes`);
  return total;
}

/** `bytes`: exactly one message. Throws `unavailable` when it is damaged. */
export function decodeMessage(bytes: Buffer): Message {
  const fieldBytes = bytes.readUInt32LE(12);
  const reader = new DBusReader(bytes.subarray(0, FIXED_BYTES + fieldBytes), FIXED_BYTES);
  const fields = new Map<number, string | number>();
  while (reader.remaining > 0) {
    const code = reader.align(8).byte();
    fields.set(code, reader.basicVariant());
  }
  const text = (code: number): string | undefined => {
    const value = fields.get(code);
    return typeof value === "string" ? value : undefined;
  };
  const replySerial = fields.get(FIELD.replySerial);
  return {
    type: bytes.readUInt8(1),
    replySerial: typeof replySerial === "number" ? replySerial : undefined,
    interface: text(FIELD.interface),
    member: text(FIELD.member),
    errorName: text(FIELD.errorName),
    signature: text(FIELD.signature) ?? "",
    body: bytes.subarray(FIXED_BYTES + ((fieldBytes + 7) & ~7)),
  };
}

/** Alignment counts from the beginning of `bytes`: a body begins at a multiple of 8 anyway. */
export class DBusReader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  #take(bytes: number): number {
    if (bytes > this.remaining) throw fail("unavailable", "a D-Bus message ends too early");
    const at = this.#at;
    this.#at += bytes;
    return at;
  }

  align(bytes: number): this {
    this.#take(-this.#at & (bytes - 1));
    return this;
  }

  byte(): number {
    return this.#bytes.readUInt8(this.#take(1));
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.align(4).#take(4));
  }

  string(): string {
    return this.#text(this.u32());
  }

  signature(): string {
    return this.#text(this.byte());
  }

  #text(bytes: number): string {
    const at = this.#take(bytes + 1);
    return this.#bytes.toString("utf8", at, at + bytes);
  }

  /** A variant of one plain value: header fields have no others, and neither have the properties that we ask for. */
  basicVariant(): string | number {
    const type = this.signature();
    if (type === "s" || type === "o") return this.string();
    if (type === "g") return this.signature();
    if (type === "u") return this.u32();
    throw fail("unavailable", `a D-Bus message has a value of type ${JSON.stringify(type.slice(0, 20))}`);
  }
}
