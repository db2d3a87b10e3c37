/**
 * The byte encoding shared by the init plan and the shim protocol (native/include/plan.h): little-endian integers,
 * strings as u32 length + bytes + NUL, string vectors as u32 count + strings, blobs as u32 length + bytes.
 */
import { fail } from "./errors.ts";

/** The longest string either side accepts, in bytes (PLAN_MAX_STR). */
export const MAX_STRING_BYTES = 1 << 20;

export class BinaryWriter {
  #buffer = Buffer.allocUnsafe(4096);
  #used = 0;

  get length(): number {
    return this.#used;
  }

  /** Call it before touching `#buffer`: growing replaces that. */
  #room(bytes: number): number {
    const at = this.#used;
    if (at + bytes > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, at + bytes));
      this.#buffer.copy(grown, 0, 0, at);
      this.#buffer = grown;
    }
    this.#used = at + bytes;
    return at;
  }

  u16(value: number): this {
    const at = this.#room(2);
    this.#buffer.writeUInt16LE(value, at);
    return this;
  }

  u32(value: number): this {
    const at = this.#room(4);
    this.#buffer.writeUInt32LE(value >>> 0, at);
    return this;
  }

  u64(value: bigint): this {
    const at = this.#room(8);
    this.#buffer.writeBigUInt64LE(BigInt.asUintN(64, value), at);
    return this;
  }

  /** Refuses text that C could not hold: one with a NUL inside, or longer than MAX_STRING_BYTES. */
  str(value: string): this {
    const bytes = Buffer.byteLength(value);
    if (bytes > MAX_STRING_BYTES) throw fail("invalid_argument", `a string of ${bytes} bytes is too long`);
    if (value.includes("\0"))
      throw fail("invalid_argument", `a NUL byte is not allowed in ${JSON.stringify(value)}`);
    this.u32(bytes);
    const at = this.#room(bytes + 1);
    this.#buffer.write(value, at, "utf8");
    this.#buffer[at + bytes] = 0;
    return this;
  }

  strv(values: readonly string[]): this {
    this.u32(values.length);
    for (const value of values) this.str(value);
    return this;
  }

  blob(bytes: Uint8Array): this {
    this.u32(bytes.length);
    const at = this.#room(bytes.length);
    this.#buffer.set(bytes, at);
    return this;
  }

  /** Overwrites four bytes written before, for lengths known only at the end. */
  patchU32(at: number, value: number): void {
    this.#buffer.writeUInt32LE(value >>> 0, at);
  }

  /** A view of what was written; valid until the next write. */
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#used);
  }
}

export class BinaryReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  #take(bytes: number): number {
    if (bytes > this.remaining) throw fail("internal", `message ends ${bytes - this.remaining} bytes early`);
    const at = this.#at;
    this.#at += bytes;
    return at;
  }

  u16(): number {
    return this.#bytes.readUInt16LE(this.#take(2));
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.#take(4));
  }

  u64(): bigint {
    return this.#bytes.readBigUInt64LE(this.#take(8));
  }

  str(): string {
    const bytes = this.u32();
    const at = this.#take(bytes + 1);
    if (this.#bytes[at + bytes] !== 0) throw fail("internal", "string without a final NUL");
    return this.#bytes.toString("utf8", at, at + bytes);
  }

  strv(): string[] {
    const count = this.u32();
    const values: string[] = [];
    for (let i = 0; i < count; i++) values.push(this.str());
    return values;
  }

  /** A view into the message, not a copy. */
  blob(): Buffer {
    const bytes = this.u32();
    const at = this.#take(bytes);
    return this.#bytes.subarray(at, at + bytes);
  }
}
