/** Small files and standard streams, synchronously: this program does one thing and ends. Every reader has a cap. */
import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from "node:fs";
import { errnoOf, fail } from "../base/errors.ts";

/** Of documents: config.json, process.json, resources, our own records. */
export const MAX_DOCUMENT_BYTES = 16 << 20;

/**
 * A regular file as UTF-8. Throws `invalid_argument` when it is none or longer than `most`, else the system's error. A
 * pipe in its place does not hold us up.
 */
export function readDocument(path: string, most = MAX_DOCUMENT_BYTES): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    const facts = fstatSync(fd);
    if (!facts.isFile()) throw fail("invalid_argument", `"${path}" is not a regular file`);
    if (facts.size > most) throw fail("invalid_argument", `"${path}" is larger than ${most} bytes`);
    return readUpTo(fd, path, facts.size, most);
  } finally {
    closeSync(fd);
  }
}

/** Undefined when there is no such file. */
export function readDocumentIfThere(path: string, most = MAX_DOCUMENT_BYTES): string | undefined {
  try {
    return readDocument(path, most);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

/** Whatever standard input is, to its end. Waits for as long as the caller keeps it open, as every filter does. */
export function readStandardInput(most = MAX_DOCUMENT_BYTES): string {
  return readUpTo(0, "standard input", 4096, most);
}

/** `expected`: the size that the file claims; one byte more shows that it has grown. */
function readUpTo(fd: number, name: string, expected: number, most: number): string {
  let buffer = Buffer.allocUnsafe(expected + 1);
  let used = 0;
  for (;;) {
    const bytes = readSync(fd, buffer, used, buffer.length - used, null);
    if (bytes === 0) return buffer.toString("utf8", 0, used);
    used += bytes;
    if (used > most) throw fail("invalid_argument", `"${name}" is larger than ${most} bytes`);
    if (used === buffer.length) buffer = Buffer.concat([buffer, Buffer.allocUnsafe(used)]);
  }
}

const RETRY_MS = 2;

/** All of it. A reader that is slow on a non-blocking pipe is waited for; one that has left ends us with EPIPE. */
export function writeAll(fd: number, text: string): void {
  let rest: Uint8Array = Buffer.from(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      if (errnoOf(error) !== "EAGAIN") throw error;
      sleepMs(RETRY_MS);
    }
  }
}

const NEVER_NOTIFIED = new Int32Array(new SharedArrayBuffer(4));

/** Blocks the whole program: for polling where nothing else has to happen meanwhile. */
export function sleepMs(ms: number): void {
  Atomics.wait(NEVER_NOTIFIED, 0, 0, ms);
}
