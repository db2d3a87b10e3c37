/** Messages on a TCP connection: each behind its length in two bytes (RFC 1035 §4.2.2). */
import type { ByteStream } from "../../../base/byte-stream.ts";

/** The message with its length, to be written at once (RFC 7766 §8). */
export function frame(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(2 + message.length);
  bytes[0] = message.length >> 8;
  bytes[1] = message.length & 255;
  bytes.set(message, 2);
  return bytes;
}

export class FrameReader {
  readonly #stream: ByteStream;
  readonly #maxBytes: number;
  #rest: Buffer = Buffer.alloc(0);

  /** Longer messages end the conversation. */
  constructor(stream: ByteStream, maxBytes: number) {
    this.#stream = stream;
    this.#maxBytes = maxBytes;
  }

  /** The next message, a copy; undefined when there are no more whole ones. Rejects when the connection breaks. */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      if (this.#rest.length >= 2) {
        const length = this.#rest.readUInt16BE(0);
        if (length > this.#maxBytes) return undefined;
        if (this.#rest.length >= 2 + length) {
          const message = Uint8Array.from(this.#rest.subarray(2, 2 + length));
          this.#rest = this.#rest.subarray(2 + length);
          return message;
        }
      }
      const chunk = await this.#stream.read();
      if (chunk === undefined) return undefined;
      this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    }
  }
}
