/** A compressed log file's content, chunk by chunk. */
import type { FileHandle } from "node:fs/promises";
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import type { LogFile } from "./log-files.ts";

const CHUNK_BYTES = 64 << 10;

/** By position: the handle's own one would still be at the end after an earlier pass. */
async function* compressedBytes(handle: FileHandle): AsyncGenerator<Buffer> {
  for (let at = 0; ; ) {
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/** Throws what zlib says about a damaged file; what came before it is good. The file stays open. */
export async function* gunzipped({ handle }: LogFile, signal: AbortSignal): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  const source = Readable.from(compressedBytes(handle), { objectMode: false, signal });
  source.on("error", (error) => gunzip.destroy(error));
  try {
    for await (const chunk of source.pipe(gunzip)) if (Buffer.isBuffer(chunk)) yield chunk;
  } finally {
    source.destroy();
    gunzip.destroy();
  }
}
