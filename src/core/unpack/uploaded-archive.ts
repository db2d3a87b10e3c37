/** An archive as a client sends it, compressed or not, as the bytes of a tar. */
import type { Readable } from "node:stream";
import { compressionOf, decompress, MAGIC_BYTES } from "./compression.ts";
import { Expansion, type ExpansionLimits } from "./expansion.ts";
import { PeekedStream } from "./peeked-stream.ts";
import { uploadedBytes } from "./upload.ts";

/** Throws `invalid_argument` for a compression that is not supported, damaged data and decompression bombs. */
export async function* uploadedArchive(
  body: Readable,
  limits: ExpansionLimits,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const expansion = new Expansion(limits);
  const raw = new PeekedStream(expansion.counted(uploadedBytes(body, signal)));
  try {
    const compression = compressionOf(await raw.peek(MAGIC_BYTES));
    if (compression === "none") yield* raw;
    else yield* expansion.limited(decompress(raw, compression));
  } finally {
    await raw.end();
  }
}
