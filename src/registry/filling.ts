/**
 * A blob on its way from the upstream into the store, and any number of readers on their way through it. They read what has
 * been written so far and wait for more, so the store sets the pace, and who is slow or late misses nothing. The last byte
 * is given out only when the digest was right.
 */
import { fail } from "../base/errors.ts";
import type { Content, Ingest } from "../core/content/content.ts";
import type { WantedBlob } from "./upstream.ts";

/** Writes all of a source to the ingest, and commits it. */
export type Follow = (ingest: Ingest, source: AsyncIterable<Uint8Array>) => Promise<void>;

const READ_BYTES = 256 << 10;

export class Filling {
  readonly digest: string;
  readonly sizeBytes: number;
  /** Settles with the blob in the store, linked, or with what went wrong. */
  readonly done: Promise<void>;
  readonly #content: Content;
  #ingest: Ingest | undefined;
  #hasEnded = false;
  #news = Promise.withResolvers<void>();

  /** `store` has the blob in the content store when it resolves; it calls `follow` unless it was there before. */
  constructor(content: Content, blob: WantedBlob, store: (follow: Follow) => Promise<void>) {
    this.digest = blob.digest;
    this.sizeBytes = blob.sizeBytes;
    this.#content = content;
    this.done = store((ingest, source) => this.#write(ingest, source)).finally(() => {
      this.#hasEnded = true;
      this.#tell();
    });
    // Readers look at it when they come to the end.
    this.done.catch(() => {});
  }

  async #write(ingest: Ingest, source: AsyncIterable<Uint8Array>): Promise<void> {
    this.#ingest = ingest;
    try {
      for await (const bytes of source) {
        if (ingest.sizeBytes + bytes.length > this.sizeBytes)
          throw fail("invalid_argument", `the blob is longer than ${this.sizeBytes} bytes`);
        await ingest.write(bytes);
        this.#tell();
      }
      await ingest.commit({ digest: this.digest, sizeBytes: this.sizeBytes });
    } finally {
      await ingest.abort();
    }
  }

  #tell(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers<void>();
  }

  /** All of the blob, from its start. Throws in the place of the last byte when it does not come whole. */
  async *read(): AsyncGenerator<Uint8Array> {
    let at = 0;
    while (!this.#hasEnded && at < this.sizeBytes - 1) {
      const news = this.#news.promise;
      const bytes = await this.#readBack(at);
      if (bytes.length === 0) await news;
      else {
        at += bytes.length;
        yield bytes;
      }
    }
    await this.done;
    const rest = at === 0 ? { verify: false } : { verify: false as const, range: { offset: at } };
    yield* this.#content.open(this.digest, rest);
  }

  /** Nothing when there is nothing more yet. */
  async #readBack(at: number): Promise<Uint8Array> {
    const ingest = this.#ingest;
    const there = Math.min(ingest?.sizeBytes ?? 0, this.sizeBytes - 1) - at;
    if (ingest === undefined || there <= 0) return NOTHING;
    try {
      return await ingest.read(at, Math.min(there, READ_BYTES));
    } catch {
      // It has ended: `done` tells how.
      return NOTHING;
    }
  }
}

const NOTHING = new Uint8Array(0);
