/** Lines of a file, in pieces of bounded size. What is longer than `lineMax`, and a last line without its end, is passed over. */
import type { FileHandle } from "node:fs/promises";

const PIECE = 64 << 10;
const NEWLINE = 0x0a;

export async function* readLines(file: FileHandle, bytes: number, lineMax: number): AsyncGenerator<string> {
  const piece = Buffer.alloc(PIECE);
  let rest = Buffer.alloc(0);
  let isTooLong = false;
  for (let at = 0; at < bytes; ) {
    const { bytesRead } = await file.read(piece, 0, Math.min(PIECE, bytes - at), at);
    if (bytesRead === 0) return;
    at += bytesRead;
    let from = 0;
    for (let end = piece.indexOf(NEWLINE); end >= 0 && end < bytesRead; end = piece.indexOf(NEWLINE, from)) {
      const line = Buffer.concat([rest, piece.subarray(from, end)]);
      if (!isTooLong) yield line.toString("utf8");
      isTooLong = false;
      rest = Buffer.alloc(0);
      from = end + 1;
    }
    rest = isTooLong ? rest : Buffer.concat([rest, piece.subarray(from, bytesRead)]);
    if (rest.length > lineMax) {
      isTooLong = true;
      rest = Buffer.alloc(0);
    }
  }
}

/** The last line that has its end, and where it ends; undefined when there is none in the last `lineMax` bytes. */
export async function lastLine(
  file: FileHandle,
  bytes: number,
  lineMax: number,
): Promise<{ readonly line: string; readonly end: number } | undefined> {
  const length = Math.min(bytes, 2 * lineMax);
  const tail = Buffer.alloc(length);
  const { bytesRead } = await file.read(tail, 0, length, bytes - length);
  const end = tail.lastIndexOf(NEWLINE, bytesRead - 1);
  if (bytesRead === 0 || end < 0) return undefined;
  const before = end === 0 ? -1 : tail.lastIndexOf(NEWLINE, end - 1);
  return { line: tail.subarray(before + 1, end).toString("utf8"), end: bytes - length + end + 1 };
}
