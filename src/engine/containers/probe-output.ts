/** What a probe writes: both its streams in the order they came, as much as is kept. */
import type { Duplex } from "node:stream";

const MOST_BYTES = 4096;
const HEADER_BYTES = 8;

export class ProbeOutput {
  /** Resolves when the stream has ended, however. */
  readonly ended: Promise<void>;
  readonly #stream: Duplex;
  readonly #kept: Buffer[] = [];
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  /** Of the frame that is being read. */
  #left = 0;
  #size = 0;
  #isCut = false;

  /** Takes a stream of Docker's frames over. The probe's input ends here. */
  constructor(stream: Duplex) {
    this.#stream = stream;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    stream.on("data", (chunk: Buffer) => this.#read(chunk));
    for (const event of ["end", "close", "error"] as const) stream.on(event, () => resolve());
    stream.end();
  }

  get text(): string {
    return Buffer.concat(this.#kept).toString("utf8") + (this.#isCut ? "..." : "");
  }

  close(): void {
    this.#stream.destroy();
  }

  #read(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#left === 0) {
        const taken = chunk.copy(this.#header, this.#headerBytes, at, at + HEADER_BYTES - this.#headerBytes);
        at += taken;
        this.#headerBytes += taken;
        if (this.#headerBytes < HEADER_BYTES) return;
        this.#headerBytes = 0;
        this.#left = this.#header.readUInt32BE(4);
        continue;
      }
      const taken = Math.min(this.#left, chunk.length - at);
      this.#keep(chunk.subarray(at, at + taken));
      this.#left -= taken;
      at += taken;
    }
  }

  #keep(bytes: Buffer): void {
    const room = MOST_BYTES - this.#size;
    if (bytes.length > room) this.#isCut = true;
    if (room === 0) return;
    // A copy: the chunk may be much larger.
    const part = Buffer.from(bytes.subarray(0, room));
    this.#kept.push(part);
    this.#size += part.length;
  }
}
