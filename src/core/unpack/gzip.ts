/**
 * Compression on all processors: pieces of one MiB, each a gzip member of its own, which readers take for one stream (RFC
 * 1952, section 2.2). The same bytes always give the same bytes, however they come.
 */
import { promisify } from "node:util";
import { gzip } from "node:zlib";

const PIECE_BYTES = 1 << 20;

/** Pieces under way; the pool behind zlib has four threads. */
const PIECES = 4;

/** The fastest: a layer is read more often than it is sent, and what matters most is when the image is there. */
const LEVEL = 1;

const compress: (piece: Uint8Array, options: { level: number }) => Promise<Uint8Array> = promisify(gzip);

/** What the compressed bytes are written to, one piece after the other. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<void>;
}

export class GzipWriter implements ByteSink {
  readonly #sink: ByteSink;
  #piece = Buffer.allocUnsafe(PIECE_BYTES);
  #used = 0;
  #pieces = 0;
  readonly #underWay: Promise<Uint8Array>[] = [];

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /** Copies the bytes. Resolves when more may come; throws what the sink throws. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + PIECE_BYTES - this.#used);
      this.#piece.set(part, this.#used);
      this.#used += part.length;
      at += part.length;
      if (this.#used === PIECE_BYTES) await this.#startPiece();
    }
  }

  /** Everything is in the sink when this resolves. Nothing at all is an empty stream's member. */
  async end(): Promise<void> {
    if (this.#used > 0 || this.#pieces === 0) await this.#startPiece();
    while (this.#underWay.length > 0) await this.#finishOldest();
  }

  async #startPiece(): Promise<void> {
    const piece = compress(this.#piece.subarray(0, this.#used), { level: LEVEL });
    piece.catch(() => {}); // whoever waits for it gets the error; after one nobody may
    this.#underWay.push(piece);
    this.#pieces++;
    this.#piece = Buffer.allocUnsafe(PIECE_BYTES);
    this.#used = 0;
    if (this.#underWay.length >= PIECES) await this.#finishOldest();
  }

  async #finishOldest(): Promise<void> {
    const oldest = this.#underWay.shift();
    if (oldest !== undefined) await this.#sink.write(await oldest);
  }
}
