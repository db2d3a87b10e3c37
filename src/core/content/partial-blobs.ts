/**
 * The partial blobs of a store: files in one directory, each named like its ingest, and in memory what is known of them.
 * A file that was suspended by this process keeps its unfinished hash, so an upload that comes in many small requests
 * is hashed once and not once a request.
 */
import { createHash, type Hash } from "node:crypto";
import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { type FileHandle, open, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "../../base/errors.ts";
import type { PartialBlob } from "./content.ts";
import type { OpenFile } from "./local-ingest.ts";

const NAME = /^[a-z0-9][a-z0-9._:-]{0,127}$/;

/** Bytes hashed again at a time. */
const READ_BYTES = 1 << 20;

interface Known {
  sizeBytes: number;
  changedAtMs: number;
  isBeingWritten: boolean;
  /** Of exactly `sizeBytes`. */
  hash: Hash | undefined;
}

export class PartialBlobs {
  readonly #dir: string;
  readonly #known = new Map<string, Known>();

  /** Creates the directory when missing. */
  constructor(dir: string) {
    this.#dir = dir;
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  }

  /** Reads what there is, and deletes what last changed before `oldestMs`. */
  recover(oldestMs: number): { readonly deleted: number; readonly strangers: readonly string[] } {
    const strangers: string[] = [];
    let deleted = 0;
    for (const entry of readdirSync(this.#dir, { withFileTypes: true })) {
      if (!entry.isFile() || !NAME.test(entry.name)) {
        strangers.push(entry.name);
        continue;
      }
      const { size, mtimeMs } = statSync(this.path(entry.name));
      if (mtimeMs < oldestMs) {
        rmSync(this.path(entry.name), { force: true });
        deleted++;
        continue;
      }
      this.#known.set(entry.name, {
        sizeBytes: size,
        changedAtMs: mtimeMs,
        isBeingWritten: false,
        hash: undefined,
      });
    }
    return { deleted, strangers };
  }

  /** Absolute paths of what can be no partial blob. */
  strangers(): readonly string[] {
    return readdirSync(this.#dir, { withFileTypes: true })
      .filter((entry) => !entry.isFile() || !NAME.test(entry.name))
      .map((entry) => join(this.#dir, entry.name));
  }

  list(): readonly PartialBlob[] {
    return Array.from(this.#known, ([name, { sizeBytes, changedAtMs, isBeingWritten }]) => ({
      name,
      sizeBytes,
      changedAtMs,
      isBeingWritten,
    }));
  }

  path(name: string): string {
    return join(this.#dir, name);
  }

  /** Opens the file for its one writer, who gives it back by forget() or release(). */
  async claim(name: string, signal: AbortSignal | undefined): Promise<OpenFile> {
    if (!NAME.test(name)) throw fail("invalid_argument", `invalid name of a blob upload "${name}"`);
    const known = this.#known.get(name);
    if (known?.isBeingWritten === true)
      throw fail("conflict", `blob upload "${name}" is being written by another request`);
    const claimed: Known = { sizeBytes: 0, changedAtMs: Date.now(), isBeingWritten: true, hash: undefined };
    this.#known.set(name, claimed);
    let handle: FileHandle | undefined;
    try {
      handle = await this.#openUnshared(name);
      const file = await hashed(handle, known, signal);
      claimed.sizeBytes = file.sizeBytes;
      return file;
    } catch (error) {
      await handle?.close();
      if (known === undefined) this.#known.delete(name);
      else this.#known.set(name, known);
      throw error;
    }
  }

  /** A file that is a blob, too, is not to be written to: it begins anew. */
  async #openUnshared(name: string): Promise<FileHandle> {
    const handle = await open(this.path(name), "a+", 0o600);
    if ((await handle.stat()).nlink === 1) return handle;
    await handle.close();
    await rm(this.path(name), { force: true });
    return await open(this.path(name), "a+", 0o600);
  }

  /** More bytes have come in. */
  grown(name: string, sizeBytes: number): void {
    const known = this.#known.get(name);
    if (known === undefined) return;
    known.sizeBytes = sizeBytes;
    known.changedAtMs = Date.now();
  }

  /** The writer leaves the file as it is. */
  async release(name: string, left: Omit<OpenFile, "handle"> | undefined): Promise<void> {
    const sizeBytes = left?.sizeBytes ?? (await stat(this.path(name))).size;
    this.#known.set(name, {
      sizeBytes,
      changedAtMs: Date.now(),
      isBeingWritten: false,
      hash: left?.hash,
    });
  }

  /** The file has become a blob, and stays. */
  completed(name: string, sizeBytes: number): void {
    this.#known.set(name, { sizeBytes, changedAtMs: Date.now(), isBeingWritten: false, hash: undefined });
  }

  /** The writer has moved the file away. */
  forget(name: string): void {
    this.#known.delete(name);
  }

  /** The writer does not want the file. */
  async drop(name: string): Promise<void> {
    // Until the file is gone the name stays claimed: the next writer must not lose its new file.
    try {
      await rm(this.path(name), { force: true });
    } finally {
      this.#known.delete(name);
    }
  }

  async discard(name: string): Promise<void> {
    const known = this.#known.get(name);
    if (known === undefined) return;
    if (known.isBeingWritten) throw fail("conflict", `blob upload "${name}" is being written`);
    known.isBeingWritten = true;
    await this.drop(name);
  }
}

/** The hash this process kept when it is that of the file as it stands, or a new one of all its bytes. */
async function hashed(
  handle: FileHandle,
  known: Known | undefined,
  signal: AbortSignal | undefined,
): Promise<OpenFile> {
  const { size } = await handle.stat();
  if (known?.hash !== undefined && known.sizeBytes === size)
    return { handle, hash: known.hash, sizeBytes: size };
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, size));
  let at = 0;
  while (at < size) {
    signal?.throwIfAborted();
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, size - at), at);
    if (bytesRead === 0) break;
    hash.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
  return { handle, hash, sizeBytes: at };
}
