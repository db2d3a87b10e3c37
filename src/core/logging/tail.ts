/** Where the last N lines of a log begin. A line is a line, whichever stream it belongs to: Docker counts so, too. */
import type { FileHandle } from "node:fs/promises";
import { gunzipped } from "./gunzip.ts";
import type { LogFile } from "./log-files.ts";

const NEWLINE = 0x0a;
const BLOCK_BYTES = 64 << 10;

export interface TailStart {
  /** Index into the files, which are in order of age, oldest first. */
  readonly file: number;
  /** Plain files: bytes to skip. */
  readonly offset: number;
  /** Compressed files: lines to skip. */
  readonly lines: number;
}

/** Reads backwards, block by block, no further than needed. `sizes` are the plain files' lengths. */
export async function findTail(
  files: readonly LogFile[],
  sizes: readonly number[],
  count: number,
  signal: AbortSignal,
): Promise<TailStart> {
  let missing = count;
  for (let n = files.length - 1; n >= 0; n--) {
    const file = files[n];
    if (file === undefined) continue;
    if (file.isCompressed) {
      const lines = await countLines(file, signal);
      if (lines >= missing) return { file: n, offset: 0, lines: lines - missing };
      missing -= lines;
    } else {
      const found = await findPlain(file.handle, sizes[n] ?? 0, missing, signal);
      if (found.lines >= missing) return { file: n, offset: found.offset, lines: 0 };
      missing -= found.lines;
    }
  }
  return { file: 0, offset: 0, lines: 0 };
}

/** The offset of the last `count` complete lines before `size`, or of as many as there are. */
async function findPlain(
  handle: FileHandle,
  size: number,
  count: number,
  signal: AbortSignal,
): Promise<{ readonly offset: number; readonly lines: number }> {
  const block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  let newlines = 0;
  for (let end = size; end > 0; ) {
    signal.throwIfAborted();
    const begin = Math.max(0, end - BLOCK_BYTES);
    const { bytesRead } = await handle.read(block, 0, end - begin, begin);
    let at = bytesRead === 0 ? -1 : block.lastIndexOf(NEWLINE, bytesRead - 1);
    while (at >= 0) {
      // The newline that ends the line before the first wanted one.
      if (newlines === count) return { offset: begin + at + 1, lines: count };
      newlines++;
      at = at === 0 ? -1 : block.lastIndexOf(NEWLINE, at - 1);
    }
    end = begin;
  }
  return { offset: 0, lines: newlines };
}

/** Of a damaged file those before the damage: the others cannot be shown either. */
async function countLines(file: LogFile, signal: AbortSignal): Promise<number> {
  let lines = 0;
  try {
    for await (const chunk of gunzipped(file, signal))
      for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, at + 1)) lines++;
  } catch {
    signal.throwIfAborted();
  }
  return lines;
}
