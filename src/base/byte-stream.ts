/**
 * A connection as the client sees it: pull-style reading, awaited writing, each direction closed on its own.
 * Implementations hold at most READ_AHEAD_BYTES unread and make the other side wait beyond that.
 */
export interface ByteStream {
  /** The next bytes, owned by the caller; undefined once the other side has ended its direction. One reader at a time. */
  read(): Promise<Buffer | undefined>;
  /** Resolves when the kernel has taken everything, so awaiting it is the back-pressure. The bytes must not change until then. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends our direction after everything written; reading goes on. */
  endWrite(): Promise<void>;
  /** Drops both directions at once. Idempotent. */
  close(): void;
}

export const READ_AHEAD_BYTES = 512 * 1024;

export type Endpoint =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number };

/** Received chunks on their way to one reader; shared by the implementations of ByteStream. */
export class ChunkQueue {
  #chunks: Buffer[] = [];
  #bytes = 0;
  #end: { readonly error: Error | undefined } | undefined;
  #reader: PromiseWithResolvers<Buffer | undefined> | undefined;

  /** Bytes that wait for the reader. */
  get bytes(): number {
    return this.#bytes;
  }

  push(chunk: Buffer): void {
    if (this.#end !== undefined) return;
    if (this.#reader !== undefined) {
      const reader = this.#reader;
      this.#reader = undefined;
      reader.resolve(chunk);
      return;
    }
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  /** No more chunks will come; what is queued is still delivered, then the end or the error. The first call counts. */
  finish(error?: Error): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    if (this.#reader === undefined) return;
    const reader = this.#reader;
    this.#reader = undefined;
    if (error === undefined) reader.resolve(undefined);
    else reader.reject(error);
  }

  async shift(): Promise<Buffer | undefined> {
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) {
      this.#bytes -= chunk.length;
      return chunk;
    }
    if (this.#end !== undefined) {
      if (this.#end.error !== undefined) throw this.#end.error;
      return undefined;
    }
    if (this.#reader !== undefined) throw new Error("two readers on one stream");
    this.#reader = Promise.withResolvers();
    return this.#reader.promise;
  }
}
