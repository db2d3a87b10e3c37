/**
 * Follows the frames of a zstd stream (RFC 8878, section 3.1) without decompressing anything. The runtime's decoder ends
 * quietly when the stream does, in the middle of a frame too, and ignores what follows the last one; this tells both.
 */
import { fail, type GantryError } from "../../base/errors.ts";

const MAGIC = 0xfd2fb528;
/** Skippable frames have any of sixteen numbers. */
const SKIPPABLE = 0x184d2a50;
const RLE_BLOCK = 1;
const RESERVED_BLOCK = 3;

/** The largest window, hence memory, that a frame may ask for: what the zstd program grants without being asked. */
const MAX_WINDOW_BYTES = 128 << 20;

type State = "magic" | "skippable" | "descriptor" | "header" | "block" | "checksum";

export class ZstdFrames {
  #state: State = "magic";
  /** Bytes of a field that has begun, and how many it has. */
  #field = Buffer.alloc(16);
  #have = 0;
  #want = 4;
  /** Bytes to pass over before the next field. */
  #skip = 0;
  #descriptor = 0;
  #frames = 0;

  /** Throws `invalid_argument` for what no frame can begin with, and for windows beyond the limit. */
  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const passed = Math.min(this.#skip, bytes.length - at);
      this.#skip -= passed;
      at += passed;
      if (this.#skip > 0) return;
      const part = bytes.subarray(at, at + this.#want - this.#have);
      this.#field.set(part, this.#have);
      this.#have += part.length;
      at += part.length;
      if (this.#have === this.#want) this.#next(this.#read());
    }
  }

  /** Takes a finished field and says which one is next, and after how many bytes that are of no interest. */
  #next(field: Buffer): void {
    switch (this.#state) {
      case "magic":
        this.#frames++;
        if (field.readUInt32LE() === MAGIC) return this.#expect("descriptor", 1);
        if ((field.readUInt32LE() & 0xfffffff0) >>> 0 === SKIPPABLE) return this.#expect("skippable", 4);
        throw damaged("something that is no frame");
      case "skippable":
        return this.#expect("magic", 4, field.readUInt32LE());
      case "descriptor":
        this.#descriptor = field.readUInt8();
        return this.#expect("header", headerLength(this.#descriptor));
      case "header":
        if (windowBytes(this.#descriptor, field) > MAX_WINDOW_BYTES)
          throw fail("invalid_argument", `zstd data needs a window beyond ${MAX_WINDOW_BYTES} bytes`);
        return this.#expect("block", 3);
      case "block":
        return this.#block(field.readUIntLE(0, 3));
      case "checksum":
        return this.#expect("magic", 4);
    }
  }

  #block(header: number): void {
    const type = (header >> 1) & 3;
    if (type === RESERVED_BLOCK) throw damaged("a block of no type");
    const length = type === RLE_BLOCK ? 1 : header >> 3;
    const isLast = (header & 1) === 1;
    const hasChecksum = (this.#descriptor & 4) !== 0;
    if (!isLast) this.#expect("block", 3, length);
    else if (hasChecksum) this.#expect("checksum", 4, length);
    else this.#expect("magic", 4, length);
  }

  #expect(state: State, bytes: number, afterBytes = 0): void {
    this.#state = state;
    this.#want = bytes;
    this.#skip = afterBytes;
  }

  #read(): Buffer {
    const field = this.#field.subarray(0, this.#have);
    this.#have = 0;
    return field;
  }

  /** Whether the stream may end here. */
  isWhole(): boolean {
    return this.#state === "magic" && this.#have === 0 && this.#skip === 0 && this.#frames > 0;
  }
}

/** Bytes of the frame header after its descriptor: window, dictionary id, content size (section 3.1.1.1). */
function headerLength(descriptor: number): number {
  const window = isSingleSegment(descriptor) ? 0 : 1;
  return window + dictionaryLength(descriptor) + contentSizeLength(descriptor);
}

function windowBytes(descriptor: number, header: Buffer): number {
  if (!isSingleSegment(descriptor)) {
    const byte = header.readUInt8();
    const base = 2 ** (10 + (byte >> 3));
    return base + (base / 8) * (byte & 7);
  }
  // Without a window of its own, a frame needs its whole content in memory.
  const at = dictionaryLength(descriptor);
  switch (contentSizeLength(descriptor)) {
    case 1:
      return header.readUInt8(at);
    case 2:
      return header.readUInt16LE(at) + 256;
    case 4:
      return header.readUInt32LE(at);
    default:
      return Number(header.readBigUInt64LE(at));
  }
}

function isSingleSegment(descriptor: number): boolean {
  return (descriptor & 0x20) !== 0;
}

function dictionaryLength(descriptor: number): number {
  return [0, 1, 2, 4][descriptor & 3] ?? 0;
}

function contentSizeLength(descriptor: number): number {
  const flag = descriptor >> 6;
  return flag === 0 ? (isSingleSegment(descriptor) ? 1 : 0) : 2 ** flag;
}

function damaged(why: string): GantryError {
  return fail("invalid_argument", `damaged zstd data: ${why}`);
}
