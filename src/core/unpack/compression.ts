/** What an archive or a layer is compressed with, told by its first bytes as Docker does, never by a name. */
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { errnoOf, fail, messageOf } from "../../base/errors.ts";
import { decompressByProgram, type ProgramCompression } from "./decompressor-program.ts";
import { spent, spentInOrder } from "./spent.ts";
import { ZstdFrames } from "./zstd-frames.ts";

export type Compression = "none" | "gzip" | "zstd";

/** Handed to a decompressor at a time: each takes a trip to its thread. */
const TRIP_BYTES = 256 << 10;

/**
 * Taken from it at a time. Not the same: of data that does not shrink, a few bytes would be left each time, which the runtime
 * copies, and with them goes the end of the memory, by which it is known to be free.
 */
const MADE_BYTES = 320 << 10;

/** Bytes that telling wants to see. */
export const MAGIC_BYTES = 6;

export function tellCompression(head: Uint8Array): Compression | ProgramCompression {
  const hex = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, MAGIC_BYTES)).toString("hex");
  if (hex.startsWith("1f8b")) return "gzip";
  // A frame, or a skippable frame in front of one (RFC 8878, sections 3.1.1 and 3.1.2).
  if (hex.startsWith("28b52ffd") || /^5[0-9a-f]2a4d18/.test(hex)) return "zstd";
  if (hex.startsWith("425a68")) return "bzip2";
  if (hex === "fd377a585a00") return "xz";
  return "none";
}

/** Taken for a whole archive that somebody sends; layers are never compressed like that. */
export function needsProgram(
  compression: Compression | ProgramCompression,
): compression is ProgramCompression {
  return compression === "bzip2" || compression === "xz";
}

/** Of a layer. Throws `invalid_argument` for a compression that layers do not have. */
export function layerCompressionOf(head: Uint8Array): Compression {
  const compression = tellCompression(head);
  if (needsProgram(compression))
    throw fail("invalid_argument", `${compression} compression is not supported`);
  return compression;
}

/**
 * The uncompressed bytes, at the pace of the reader. Pieces of a compressed source are given away, and those that are made of
 * them are there until the next is asked for. Ending early ends the source too. Throws `invalid_argument` for
 * damaged data ("unexpected EOF" when it ends early, as Docker says) and passes on what the source throws.
 */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
  compression: Compression | ProgramCompression,
): AsyncGenerator<Uint8Array> {
  if (needsProgram(compression)) {
    yield* decompressByProgram(source, compression);
    return;
  }
  if (compression === "none") {
    yield* source;
    return;
  }
  // Pieces come out as they were made: read as bytes, those that wait would be copied into one.
  const options = {
    chunkSize: MADE_BYTES,
    writableHighWaterMark: TRIP_BYTES + 1,
    readableObjectMode: true,
    readableHighWaterMark: 2,
  };
  const transform = compression === "gzip" ? createGunzip(options) : createZstdDecompress(options);
  // pipeline() ends both sides whatever happens on either; its verdict is the same error that the loop throws.
  const frames = new ZstdFrames();
  const input = compression === "zstd" ? followed(source, frames) : source;
  const pumped = pipeline(inTurns(spent(input)), transform).catch(() => {});
  try {
    yield* spentInOrder(bytesOf(transform));
    if (compression === "zstd" && !frames.isWhole()) throw fail("invalid_argument", "unexpected EOF");
  } catch (error) {
    throw isDamage(error) ? damaged(compression, error) : error;
  } finally {
    transform.destroy();
    await pumped;
  }
}

async function* followed(source: AsyncIterable<Uint8Array>, frames: ZstdFrames): AsyncGenerator<Uint8Array> {
  for await (const bytes of source) {
    frames.push(bytes);
    yield bytes;
  }
}

/** Copies everything into two buffers by turns: the high-water mark above lets the next be filled while one is taken. */
async function* inTurns(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let [filling, other] = [Buffer.allocUnsafeSlow(TRIP_BYTES), Buffer.allocUnsafeSlow(TRIP_BYTES)];
  let filledBytes = 0;
  for await (const bytes of source)
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + TRIP_BYTES - filledBytes);
      filling.set(part, filledBytes);
      filledBytes += part.length;
      at += part.length;
      if (filledBytes < TRIP_BYTES) continue;
      yield filling;
      [filling, other] = [other, filling];
      filledBytes = 0;
    }
  if (filledBytes > 0) yield filling.subarray(0, filledBytes);
}

async function* bytesOf(transform: AsyncIterable<unknown>): AsyncGenerator<Uint8Array> {
  for await (const chunk of transform) {
    if (!(chunk instanceof Uint8Array)) throw fail("internal", "a decompressor gave no bytes");
    yield chunk;
  }
}

/** zlib names its own errors Z_…, ZSTD_… or ERR_ZLIB…; a source's errors are not called that. */
function isDamage(error: unknown): boolean {
  return /^(Z_|ZSTD_|ERR_ZLIB|ERR_ZSTD)/.test(errnoOf(error) ?? "");
}

function damaged(compression: Compression, error: unknown): Error {
  const message = messageOf(error);
  if (/unexpected end of file|ended? (prematurely|unexpectedly)|truncated/i.test(message))
    return fail("invalid_argument", "unexpected EOF", error);
  return fail("invalid_argument", `damaged ${compression} data: ${message}`, error);
}
