/** The bytes of WebSocket connections (RFC 6455), the server's side. Pure. */
import { createHash } from "node:crypto";
import { fail } from "../../base/errors.ts";

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

const MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const CONTROL_MAX = 125;

/** The answer to Sec-WebSocket-Key. Throws `invalid_argument` for what is no key. */
export function acceptKey(key: string): string {
  if (!/^[A-Za-z0-9+/]{22}==$/.test(key))
    throw fail(
      "invalid_argument",
      "the request is no WebSocket handshake: Sec-WebSocket-Key is missing or wrong",
    );
  return createHash("sha1").update(`${key}${MAGIC}`).digest("base64");
}

/** A whole frame; a server's are not masked. */
export function encodeFrame(opcode: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = 0x80 | opcode;
  if (length < 126) head[1] = length;
  else if (length < 65_536) {
    head[1] = 126;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head, payload]);
}

/** A control frame, or a part of a message as it arrived: what belongs together is the reader's business. */
export interface Part {
  readonly opcode: number;
  readonly payload: Buffer;
}

/** Takes a client's bytes apart. Of a message's frames no more is held than a head. */
export class FrameReader {
  #held = Buffer.alloc(0);
  #opcode: number = OPCODE.binary;
  #mask = Buffer.alloc(4);
  #maskAt = 0;
  #left = 0n;

  /** Throws `invalid_argument` for what no client may send. */
  push(chunk: Buffer): Part[] {
    const parts: Part[] = [];
    let bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    for (;;) {
      if (this.#left > 0n) {
        const isControl = this.#opcode >= OPCODE.close;
        if (bytes.length === 0 || (isControl && BigInt(bytes.length) < this.#left)) break;
        const length = Number(this.#left < BigInt(bytes.length) ? this.#left : BigInt(bytes.length));
        parts.push({ opcode: this.#opcode, payload: this.#unmasked(bytes.subarray(0, length)) });
        this.#left -= BigInt(length);
        bytes = bytes.subarray(length);
        continue;
      }
      const taken = this.#head(bytes, parts);
      if (taken === 0) break;
      bytes = bytes.subarray(taken);
    }
    this.#held = Buffer.from(bytes);
    return parts;
  }

  /** How long the head is that `bytes` begin with; 0 = it is not whole yet. */
  #head(bytes: Buffer, parts: Part[]): number {
    const [first, second] = bytes;
    if (first === undefined || second === undefined) return 0;
    const short = second & 0x7f;
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    const size = 2 + lengthBytes + 4;
    this.#check(first, second);
    if (bytes.length < size) return 0;
    this.#opcode = first & 0x0f;
    this.#left =
      lengthBytes === 0
        ? BigInt(short)
        : lengthBytes === 2
          ? BigInt(bytes.readUInt16BE(2))
          : bytes.readBigUInt64BE(2);
    this.#mask = Buffer.from(bytes.subarray(size - 4, size));
    this.#maskAt = 0;
    if (this.#left === 0n) parts.push({ opcode: this.#opcode, payload: Buffer.alloc(0) });
    return size;
  }

  #check(first: number, second: number): void {
    const opcode = first & 0x0f;
    const isControl = opcode >= OPCODE.close;
    const isKnown = opcode <= OPCODE.binary || (isControl && opcode <= OPCODE.pong);
    const isWhole = (first & 0x80) !== 0;
    const isMasked = (second & 0x80) !== 0;
    if (
      (first & 0x70) !== 0 ||
      !isKnown ||
      !isMasked ||
      (isControl && (!isWhole || (second & 0x7f) > CONTROL_MAX))
    )
      throw fail("invalid_argument", "a WebSocket frame that no client may send");
  }

  #unmasked(bytes: Buffer): Buffer {
    const plain = Buffer.allocUnsafe(bytes.length);
    for (let i = 0; i < bytes.length; i++)
      plain[i] = (bytes[i] ?? 0) ^ (this.#mask[(this.#maskAt + i) & 3] ?? 0);
    this.#maskAt = (this.#maskAt + bytes.length) & 3;
    return plain;
  }
}
