/**
 * Takes apart the framing of attach, exec and logs without a terminal:
 *
 *     | 1 byte: 0 stdin, 1 stdout, 2 stderr, 3 engine error | 3 bytes 0 | u32 big-endian length | payload |
 */
import type { ByteStream } from "../base/byte-stream.ts";
import { fail } from "../base/errors.ts";

const HEADER_BYTES = 8;
const MAX_ENGINE_ERROR_LENGTH = 64 * 1024;
const STDOUT = 1;
const STDERR = 2;
const ENGINE_ERROR = 3;

/** The part of a ByteStream (or of a response body) that is read here. */
export type Readable = Pick<ByteStream, "read">;

export interface OutputSink {
  write(bytes: Uint8Array): Promise<void>;
}

/**
 * Copies until the stream ends. Neighbouring frames of one stream leave as a single write: their payloads are moved
 * together inside the chunk, which is ours. Fails when the stream ends inside a frame or the engine reports an error.
 */
export async function copyDemultiplexed(stream: Readable, out: OutputSink, err: OutputSink): Promise<void> {
  const header = Buffer.alloc(HEADER_BYTES);
  let headerBytes = 0;
  let left = 0;
  let type = STDOUT;
  let engineError = "";
  for (let chunk = await stream.read(); chunk !== undefined; chunk = await stream.read()) {
    let at = 0;
    let runType = STDOUT;
    let runStart = 0;
    let runEnd = 0;
    while (at < chunk.length) {
      if (left === 0) {
        const taken = Math.min(HEADER_BYTES - headerBytes, chunk.length - at);
        chunk.copy(header, headerBytes, at, at + taken);
        headerBytes += taken;
        at += taken;
        if (headerBytes < HEADER_BYTES) break;
        headerBytes = 0;
        type = header[0] ?? 0;
        left = header.readUInt32BE(4);
        if (type > ENGINE_ERROR) throw fail("internal", `Unrecognized input header: ${type}`);
        continue;
      }
      const taken = Math.min(left, chunk.length - at);
      if (type !== runType) {
        if (runEnd > runStart) await (runType === STDERR ? err : out).write(chunk.subarray(runStart, runEnd));
        runType = type;
        runStart = at;
        runEnd = at;
      } else if (runEnd === runStart) {
        runStart = at;
        runEnd = at;
      }
      if (type === ENGINE_ERROR) {
        engineError += chunk.toString("utf8", at, at + taken);
        if (taken === left || engineError.length > MAX_ENGINE_ERROR_LENGTH)
          throw fail("internal", `error from daemon in stream: ${engineError}`);
      } else {
        if (runEnd !== at) chunk.copyWithin(runEnd, at, at + taken);
        runEnd += taken;
      }
      at += taken;
      left -= taken;
    }
    if (runEnd > runStart) await (runType === STDERR ? err : out).write(chunk.subarray(runStart, runEnd));
  }
  if (left > 0 || headerBytes > 0)
    throw fail("unavailable", "the engine's stream ended in the middle of a frame");
}

/** Copies a raw stream (a terminal's) until it ends. */
export async function copyRaw(stream: Readable, out: OutputSink): Promise<void> {
  for (let chunk = await stream.read(); chunk !== undefined; chunk = await stream.read())
    await out.write(chunk);
}
