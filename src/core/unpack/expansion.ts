import { fail } from "../../base/errors.ts";

export interface ExpansionLimits {
  /** Uncompressed bytes allowed for each byte read. */
  readonly maxRatio: number;
  /** Uncompressed bytes allowed whatever the ratio is: small archives compress oddly. */
  readonly freeBytes: number;
  /** Uncompressed bytes allowed at all. */
  readonly maxBytes: number;
}

/**
 * Generous for honest images — a root filesystem shrinks to a third, a sparse database file perhaps to a hundredth —
 * and narrow for bombs: gzip reaches 1:1000, zstd far more, and nesting multiplies.
 */
export const DEFAULT_EXPANSION: ExpansionLimits = {
  maxRatio: 250,
  freeBytes: 1 << 30,
  maxBytes: 128 * 2 ** 30,
};

/** Counts what came in and what came out of decompression, over all of one archive. */
export class Expansion {
  readonly #limits: ExpansionLimits;
  #readBytes = 0;

  constructor(limits: ExpansionLimits) {
    this.#limits = limits;
  }

  /** Counts bytes of the archive that do not pass through here: those that an earlier attempt has left. */
  count(bytes: number): void {
    this.#readBytes += bytes;
  }

  /** Passes the archive's own bytes through, counting them. */
  async *counted(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const bytes of source) {
      this.#readBytes += bytes.length;
      yield bytes;
    }
  }

  /** Passes uncompressed bytes through. Throws `invalid_argument` when they are more than the archive can justify. */
  async *limited(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const { maxRatio, freeBytes, maxBytes } = this.#limits;
    let expandedBytes = 0;
    for await (const bytes of source) {
      expandedBytes += bytes.length;
      const allowed = Math.min(maxBytes, Math.max(freeBytes, this.#readBytes * maxRatio));
      if (expandedBytes > allowed)
        throw fail(
          "invalid_argument",
          `archive expands to more than ${allowed} bytes from ${this.#readBytes}: refused as a decompression bomb`,
        );
      yield bytes;
    }
  }
}
