/** Cuts the bytes of a shim connection into frames as they arrive. */
import { fail } from "../base/errors.ts";
import { FRAME_HEADER_BYTES, MAX_FRAME_BYTES, type Frame } from "./protocol.ts";

export class FrameReader {
  #chunks: Buffer[] = [];
  #bytes = 0;

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  /** The next complete frame, or undefined until more was pushed. Throws on one longer than MAX_FRAME_BYTES. */
  next(): Frame | undefined {
    if (this.#bytes < FRAME_HEADER_BYTES) return undefined;
    const head = this.#joinedTo(FRAME_HEADER_BYTES);
    const size = head.readUInt32LE(0);
    if (size > MAX_FRAME_BYTES) throw fail("internal", `a shim announced a frame of ${size} bytes`);
    const end = FRAME_HEADER_BYTES + size;
    if (this.#bytes < end) return undefined;
    const all = this.#joinedTo(end);
    const frame = {
      kind: all.readUInt16LE(4),
      tag: all.readUInt16LE(6),
      payload: all.subarray(FRAME_HEADER_BYTES, end),
    };
    if (all.length > end) this.#chunks[0] = all.subarray(end);
    else this.#chunks.shift();
    this.#bytes -= end;
    return frame;
  }

  /** What arrived after the last frame: the begin of a stream. The reader is empty afterwards. */
  takeRest(): Buffer {
    const rest = this.#bytes === 0 ? Buffer.alloc(0) : this.#joinedTo(this.#bytes);
    this.#chunks = [];
    this.#bytes = 0;
    return rest;
  }

  /** The first chunk, holding at least `bytes`; the chunks are only joined when it does not already. */
  #joinedTo(bytes: number): Buffer {
    const first = this.#chunks[0];
    if (first !== undefined && first.length >= bytes) return first;
    const joined = Buffer.concat(this.#chunks, this.#bytes);
    this.#chunks = [joined];
    return joined;
  }
}
