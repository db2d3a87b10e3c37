/**
 * Compressing rotated log files, PATH.N → PATH.N.gz, beside a shim that goes on rotating. The shim takes an flock of
 * PATH for each rotation of such a log and puts it off when it does not get it; the compressed file takes the plain
 * one's place under the same lock, so no file gets another one's number. A crash at any point leaves the plain file, or
 * both, and the next run does it again.
 */
import { constants, fstatSync } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { setTimeout as pause } from "node:timers/promises";
import { crc32, createDeflateRaw } from "node:zlib";
import { errnoOf, fail } from "../../base/errors.ts";
import type { Native } from "../../linux/native.ts";
import { type FileIdentity, gzipHeader, identityOf, inodeOf } from "./log-files.ts";

type LogNames = { readonly path: string; readonly maxFiles: number };
export type NameLock = Pick<Native, "lockFile" | "closeFd">;

const CHUNK_BYTES = 256 << 10;
const LOCK_ATTEMPTS = 100;
const LOCK_PAUSE_MS = 10;

/**
 * Compresses every rotated file that is not yet. One call at a time for each log. Throws `unavailable` when the names
 * cannot be locked for a second; nothing is lost then.
 */
export async function compressRotated(log: LogNames, lock: NameLock, signal: AbortSignal): Promise<void> {
  const aside = `${log.path}.gz-tmp`;
  // The oldest first: it is the next one to go.
  for (let n = log.maxFiles - 1; n >= 1; n--) {
    const path = `${log.path}.${n}`;
    if ((await inodeOf(path)) === undefined) continue;
    try {
      const identity = await compressFile(path, aside, signal);
      if (identity !== undefined) await takePlace(log, aside, identity, lock);
    } finally {
      await rm(aside, { force: true });
    }
  }
}

/** Returns whose content is in `to` now; undefined when the file was gone before it could be opened. */
async function compressFile(
  from: string,
  to: string,
  signal: AbortSignal,
): Promise<FileIdentity | undefined> {
  await using source = await openIfThere(from);
  if (source === undefined) return undefined;
  const { ino, mtimeNs, mode } = await source.stat({ bigint: true });
  await rm(to, { force: true });
  await using target = await open(to, "wx", Number(mode) & 0o777);
  await target.appendFile(gzipHeader({ ino, mtimeNs }));
  const plain = new Tally(source);
  await pipeline(
    plain.chunks(),
    createDeflateRaw({ chunkSize: CHUNK_BYTES }),
    async (compressed: AsyncIterable<Buffer>) => {
      for await (const chunk of compressed) await target.appendFile(chunk);
    },
    { signal },
  );
  await target.appendFile(plain.trailer());
  await target.sync();
  return { ino, mtimeNs };
}

/** Reads a file and counts what a gzip trailer says about it: checksum and length (RFC 1952, section 2.3). */
class Tally {
  readonly #source: FileHandle;
  #sum = 0;
  #bytes = 0;

  constructor(source: FileHandle) {
    this.#source = source;
  }

  async *chunks(): AsyncGenerator<Buffer> {
    for (;;) {
      const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
      const { bytesRead } = await this.#source.read(buffer, 0, buffer.length, this.#bytes);
      if (bytesRead === 0) return;
      const chunk = buffer.subarray(0, bytesRead);
      this.#sum = crc32(chunk, this.#sum);
      this.#bytes += bytesRead;
      yield chunk;
    }
  }

  trailer(): Buffer {
    const trailer = Buffer.alloc(8);
    trailer.writeUInt32LE(this.#sum, 0);
    trailer.writeUInt32LE(this.#bytes % 2 ** 32, 4);
    return trailer;
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Puts the compressed file where its plain one is by now, if it still is anywhere. */
async function takePlace(log: LogNames, aside: string, origin: FileIdentity, lock: NameLock): Promise<void> {
  const held = await lockNames(log.path, lock);
  try {
    for (let n = 1; n < log.maxFiles; n++) {
      const path = `${log.path}.${n}`;
      const found = await identityOf(path);
      if (found?.ino !== origin.ino || found.mtimeNs !== origin.mtimeNs) continue;
      await rename(aside, `${path}.gz`);
      await rm(path);
      return;
    }
  } finally {
    lock.closeFd(held);
  }
}

/** The lock counts only while the locked file has the log's name: another one is written to after a rotation. */
async function lockNames(path: string, lock: NameLock): Promise<number> {
  for (let attempt = 0; attempt < LOCK_ATTEMPTS; attempt++) {
    // Not when it is missing, just after a rotation: locking would make it, and not with the shim's mode.
    const fd = (await inodeOf(path)) === undefined ? undefined : lock.lockFile(path);
    if (fd !== undefined) {
      if (fstatSync(fd, { bigint: true }).ino === (await inodeOf(path))) return fd;
      lock.closeFd(fd);
    }
    await pause(LOCK_PAUSE_MS);
  }
  throw fail("unavailable", `cannot lock the names of log "${path}"`);
}
