/**
 * A blob on its way from the upstream into the store, and any number of readers on their way through it. The store sets
 * the pace: a reader that falls behind lets go of the live bytes and goes on from the file once the blob is there. A
 * reader gets its last bytes only when the digest was right.
 */
import type { Content } from "../core/content/content.ts";

/** What waits for one reader at most. */
const MAX_BEHIND_BYTES = 4 << 20;

export class Filling {
  readonly digest: string;
  readonly sizeBytes: number;
  /** Settles with the blob in the store, linked, or with what went wrong. */
  readonly done: Promise<void>;
  readonly #content: Content;
  readonly #readers = new Set<Reader>();
  #passed = 0;

  /** `store` gets the same bytes, and must have the blob in the content store when it resolves. */
  constructor(
    content: Content,
    blob: { readonly digest: string; readonly sizeBytes: number; readonly bytes: AsyncIterable<Uint8Array> },
    store: (bytes: AsyncIterable<Uint8Array>) => Promise<void>,
  ) {
    this.digest = blob.digest;
    this.sizeBytes = blob.sizeBytes;
    this.#content = content;
    this.done = store(this.#tee(blob.bytes)).finally(() => {
      for (const reader of this.#readers) reader.finish();
    });
    // Readers look at it when they come to the end; without any there is nobody to tell but the log.
    this.done.catch(() => {});
  }

  async *#tee(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const bytes of source) {
      this.#passed += bytes.length;
      for (const reader of this.#readers) reader.push(bytes);
      yield bytes;
    }
  }

  /** All of the blob. Throws in the place of the last bytes when it does not come whole. */
  async *read(): AsyncGenerator<Uint8Array> {
    let at = 0;
    if (this.#passed === 0) {
      const reader = new Reader();
      this.#readers.add(reader);
      try {
        for (let bytes = await reader.next(); bytes !== undefined; bytes = await reader.next()) {
          // Kept back: the end of a blob whose digest turns out to be wrong.
          if (at + bytes.length >= this.sizeBytes) break;
          at += bytes.length;
          yield bytes;
        }
      } finally {
        this.#readers.delete(reader);
      }
    }
    await this.done;
    if (at < this.sizeBytes || this.sizeBytes === 0)
      yield* this.#content.open(this.digest, { verify: false, range: { offset: at } });
  }
}

class Reader {
  #queue: Uint8Array[] = [];
  #bytes = 0;
  #closed = false;
  #wake: (() => void) | undefined;

  push(bytes: Uint8Array): void {
    if (this.#closed) return;
    this.#queue.push(bytes);
    this.#bytes += bytes.length;
    if (this.#bytes > MAX_BEHIND_BYTES) this.finish();
    this.#wake?.();
  }

  /** What is queued is still read. */
  finish(): void {
    this.#closed = true;
    this.#wake?.();
  }

  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const bytes = this.#queue.shift();
      if (bytes !== undefined) {
        this.#bytes -= bytes.length;
        return bytes;
      }
      if (this.#closed) return undefined;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
      this.#wake = undefined;
    }
  }
}
