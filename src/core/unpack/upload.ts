import type { Readable } from "node:stream";
import { fail } from "../../base/errors.ts";

/**
 * The bytes of a stream that somebody else owns, an HTTP request's body for one: ending the iteration does not destroy
 * it, for then the client that still sends would lose its connection instead of reading why it was refused. The signal
 * ends a wait for bytes that never come.
 */
export function uploadedBytes(stream: Readable, signal: AbortSignal): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => new Upload(stream, signal) };
}

class Upload implements AsyncIterator<Uint8Array> {
  readonly #chunks: AsyncIterator<unknown>;
  readonly #signal: AbortSignal;

  constructor(stream: Readable, signal: AbortSignal) {
    this.#chunks = stream.iterator({ destroyOnReturn: false });
    this.#signal = signal;
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#signal.throwIfAborted();
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const onAbort = (): void => reject(this.#signal.reason);
    this.#signal.addEventListener("abort", onAbort);
    try {
      const next = await Promise.race([this.#chunks.next(), aborted]);
      return next.done === true
        ? { done: true, value: undefined }
        : { done: false, value: bytesOf(next.value) };
    } finally {
      this.#signal.removeEventListener("abort", onAbort);
    }
  }

  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    await this.#chunks.return?.();
    return { done: true, value: undefined };
  }
}

function bytesOf(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  if (typeof chunk === "string") return Buffer.from(chunk);
  throw fail("internal", "an upload gave something that is no bytes");
}
