/** Compressing a layer for a registry: always to the same bytes, because their digest names the layer there. */
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { fail } from "../../base/errors.ts";

/**
 * Fast rather than small: a push waits for it, and level 6 takes three times as long for a tenth less. Another level, or
 * another zlib, makes another manifest of the same image.
 */
const LEVEL = 1;

export async function* gzipped(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const transform = createGzip({ level: LEVEL, chunkSize: 128 << 10 });
  let failure: { readonly error: unknown } | undefined;
  const pumped = pipeline(source, transform).catch((error: unknown) => {
    failure = { error };
  });
  try {
    for await (const chunk of transform) {
      if (!(chunk instanceof Uint8Array)) throw fail("internal", "a compressor gave no bytes");
      yield chunk;
    }
  } catch (error) {
    throw failure?.error ?? error;
  } finally {
    transform.destroy();
    await pumped;
  }
}
