/** An archive as a client sends it, compressed or not, as the bytes of a tar. */
import type { Readable } from "node:stream";
import { decompress, MAGIC_BYTES, tellCompression } from "./compression.ts";
import { Expansion, type ExpansionLimits } from "./expansion.ts";
import { PeekedStream } from "./peeked-stream.ts";
import { uploadedBytes } from "./upload.ts";

/** Throws `invalid_argument` for damaged data and decompression bombs, `unavailable` without the program that a compression needs. */
export async function* uploadedArchive(
  body: Readable,
  limits: ExpansionLimits,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const expansion = new Expansion(limits);
  const raw = new PeekedStream(expansion.counted(uploadedBytes(body, signal)));
  try {
    const compression = tellCompression(await raw.peek(MAGIC_BYTES));
    if (compression === "none") yield* raw;
    else yield* expansion.limited(decompress(raw, compression));
  } finally {
    await raw.end();
  }
}
