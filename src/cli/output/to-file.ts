/** Where archives go: to standard output unless that is a terminal, or to a file that is there only when it is whole. */
import { errnoOf, messageOf } from "../../base/errors.ts";
import type { FileHandle } from "node:fs/promises";
import type { HttpBody } from "../../client/http.ts";
import type { Cli } from "../cli.ts";
import { Exit } from "../exit.ts";
import { isTerminal } from "../terminal.ts";

/** Before anything is asked of the engine. `what` as in "failed to save image", or ""; the rest is Docker's words, too. */
export async function checkOutput(path: string, what: string): Promise<void> {
  if (path === "") {
    if (await isTerminal(1))
      throw new Exit(1, "cowardly refusing to save to a terminal. Use the -o flag or redirect");
    return;
  }
  const before = what === "" ? "" : `${what}: `;
  const { stat } = await import("node:fs/promises");
  const { dirname, normalize } = await import("node:path");
  const directory = dirname(normalize(path));
  const place = await stat(directory).catch(absent);
  if (place === undefined)
    throw new Exit(1, `${before}invalid output path: directory "${directory}" does not exist`);
  const found = await stat(path).catch(absent);
  if (found === undefined || found.isFile() || found.isDirectory()) return;
  if (found.isBlockDevice() || found.isCharacterDevice())
    throw new Exit(
      1,
      `${before}invalid output path: "${path}" must be a directory or a regular file: got a device`,
    );
}

function absent(error: unknown): undefined {
  if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
  throw error;
}

export async function writeArchive(cli: Cli, path: string, body: HttpBody): Promise<void> {
  if (path === "") {
    for (let bytes = await body.read(); bytes !== undefined; bytes = await body.read())
      await cli.out.write(bytes);
    return;
  }
  const { open, rename, rm } = await import("node:fs/promises");
  const { randomBytes } = await import("node:crypto");
  const temporary = `${path}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await writeBody(file, body);
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error instanceof Exit ? error : new Exit(1, messageOf(error));
  }
}

/** Large enough that the trips to the thread pool do not show. */
const WRITE_BYTES = 1 << 20;

/** The next bytes are read while the last ones are written. */
async function writeBody(file: FileHandle, body: HttpBody): Promise<void> {
  let writing = Promise.resolve();
  let parts: Uint8Array[] = [];
  let bytes = 0;
  try {
    for (let part = await body.read(); part !== undefined; part = await body.read()) {
      parts.push(part);
      bytes += part.length;
      if (bytes < WRITE_BYTES) continue;
      await writing;
      writing = writeParts(file, parts);
      writing.catch(() => {}); // told by the next wait for it
      parts = [];
      bytes = 0;
    }
    await writing;
    await writeParts(file, parts);
  } finally {
    await writing.catch(() => {}); // the file is closed next
  }
}

async function writeParts(file: FileHandle, parts: readonly Uint8Array[]): Promise<void> {
  const expected = parts.reduce((sum, part) => sum + part.length, 0);
  const { bytesWritten } = await file.writev(parts);
  if (bytesWritten === expected) return;
  // A short write: what is left goes piece by piece, and a full disk is told by the next of them.
  const rest = Buffer.concat(parts).subarray(bytesWritten);
  for (let at = 0; at < rest.length; ) at += (await file.write(rest, at)).bytesWritten;
}
