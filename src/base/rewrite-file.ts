/** Small files that somebody else has open or bound, and that therefore stay the same file when they change. */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";

/** Undefined for one that is larger than that. */
export function readSmallFile(path: string, maxBytes: number): string | undefined {
  const fd = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(maxBytes + 1);
    const length = readSync(fd, bytes, 0, bytes.length, 0);
    return length > maxBytes ? undefined : bytes.toString("utf8", 0, length);
  } finally {
    closeSync(fd);
  }
}

/**
 * Gives it another content. Of a file of lines, no larger than what `readSmallFile` was asked for.
 *
 * On crash: the old content or the new one; the new one may be followed by empty lines.
 */
export function rewriteFile(path: string, text: string): void {
  const bytes = Buffer.from(text);
  const fd = openSync(path, "r+");
  try {
    // One write, which no signal cuts in two.
    const rest = Math.max(0, fstatSync(fd).size - bytes.length);
    writeSync(fd, Buffer.concat([bytes, Buffer.alloc(rest, "\n")]), 0, bytes.length + rest, 0);
    ftruncateSync(fd, bytes.length);
  } finally {
    closeSync(fd);
  }
}
