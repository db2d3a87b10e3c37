/**
 * Content in a directory:
 *
 *     blobs/sha256/<hex>   complete blobs, by digest
 *     ingest/<number>      blobs being written or deleted; emptied at start
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory, syncDirectorySync } from "../../base/sync-directory.ts";
import { isDiskFull } from "../../base/disk-full.ts";
import { errnoOf, fail, GantryError, messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { hexOf, isDigest, sha256Of } from "../../specs/oci-image/digest.ts";
import { AppendFile } from "./append-file.ts";
import type { BlobHolder, BlobInfo, Content, ExpectedBlob, Ingest } from "./content.ts";

/** Bytes read at a time: large enough that the trips to the thread pool do not show. */
const READ_BYTES = 256 << 10;

/** Opens the store in `root` (created when missing), deletes what a crash left half-made, and reads what there is. */
export function openContent(root: string, log: Logger): Content {
  const store = new LocalStore(root);
  const { deletedIngests, strangers } = store.recover();
  if (deletedIngests > 0) log.info("deleted unfinished blobs of an earlier run", { count: deletedIngests });
  for (const name of strangers) log.warn("ignored a file that is not named like a blob", { name });
  return store;
}

class LocalStore implements Content {
  readonly #blobsDir: string;
  readonly #ingestDir: string;
  readonly #blobs = new Map<string, BlobInfo>();
  #counter = 0;

  constructor(root: string) {
    this.#blobsDir = join(root, "blobs", "sha256");
    this.#ingestDir = join(root, "ingest");
    mkdirSync(this.#blobsDir, { recursive: true, mode: 0o700 });
    mkdirSync(this.#ingestDir, { recursive: true, mode: 0o700 });
    syncDirectorySync(join(root, "blobs"));
    syncDirectorySync(root);
  }

  recover(): { readonly deletedIngests: number; readonly strangers: readonly string[] } {
    const old = readdirSync(this.#ingestDir);
    for (const name of old) rmSync(join(this.#ingestDir, name), { recursive: true, force: true });
    const strangers: string[] = [];
    for (const entry of readdirSync(this.#blobsDir, { withFileTypes: true })) {
      const digest = `sha256:${entry.name}`;
      if (!entry.isFile() || !isDigest(digest)) strangers.push(entry.name);
      else this.#blobs.set(digest, { digest, sizeBytes: statSync(this.#path(digest)).size });
    }
    return { deletedIngests: old.length, strangers };
  }

  stat(digest: string): BlobInfo | undefined {
    return this.#blobs.get(digest);
  }

  list(): readonly BlobInfo[] {
    return [...this.#blobs.values()];
  }

  async begin(holder: BlobHolder): Promise<Ingest> {
    const path = join(this.#ingestDir, String(this.#counter++));
    try {
      const handle = await open(path, "wx", 0o600);
      return new LocalIngest(path, handle, async (blob) => {
        holder.holdBlob(blob.digest);
        await this.#place(path, blob);
      });
    } catch (error) {
      throw cannotWrite(error);
    }
  }

  async ingest(
    holder: BlobHolder,
    source: AsyncIterable<Uint8Array>,
    expected: ExpectedBlob,
    signal: AbortSignal,
  ): Promise<BlobInfo> {
    const ingest = await this.begin(holder);
    try {
      for await (const bytes of source) {
        signal.throwIfAborted();
        if (expected.sizeBytes !== undefined && ingest.sizeBytes + bytes.length > expected.sizeBytes)
          throw fail("invalid_argument", `blob is longer than the expected ${expected.sizeBytes} bytes`);
        await ingest.write(bytes);
      }
      signal.throwIfAborted();
      return await ingest.commit(expected);
    } finally {
      await ingest.abort();
    }
  }

  /** The moment at which a blob begins to exist. */
  async #place(path: string, blob: BlobInfo): Promise<void> {
    await rename(path, this.#path(blob.digest));
    await syncDirectory(this.#blobsDir);
    this.#blobs.set(blob.digest, blob);
  }

  async *open(digest: string, options: { readonly verify: boolean }): AsyncGenerator<Uint8Array> {
    const handle = await this.#openForReading(digest);
    try {
      const hash = options.verify ? createHash("sha256") : undefined;
      for (;;) {
        const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES, null);
        if (bytesRead === 0) break;
        const bytes = buffer.subarray(0, bytesRead);
        hash?.update(bytes);
        yield bytes;
      }
      if (hash !== undefined) checkStored(digest, `sha256:${hash.digest("hex")}`);
    } finally {
      await handle.close();
    }
  }

  async read(digest: string, maxBytes: number): Promise<Buffer> {
    const size = this.#blobs.get(digest)?.sizeBytes ?? 0;
    if (size > maxBytes)
      throw fail("invalid_argument", `blob "${digest}" has ${size} bytes, ${maxBytes} are allowed`);
    const handle = await this.#openForReading(digest);
    try {
      const buffer = Buffer.allocUnsafe(size);
      let filled = 0;
      while (filled < size) {
        const { bytesRead } = await handle.read(buffer, filled, size - filled, filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      const bytes = buffer.subarray(0, filled);
      checkStored(digest, sha256Of(bytes));
      return bytes;
    } finally {
      await handle.close();
    }
  }

  async #openForReading(digest: string): Promise<FileHandle> {
    if (!this.#blobs.has(digest)) throw fail("not_found", `blob "${digest}" not found`);
    try {
      return await open(this.#path(digest), "r");
    } catch (error) {
      if (errnoOf(error) === "ENOENT") throw fail("not_found", `blob "${digest}" not found`, error);
      throw fail("internal", `cannot open blob "${digest}": ${messageOf(error)}`, error);
    }
  }

  async delete(digest: string): Promise<void> {
    if (!this.#blobs.delete(digest)) return;
    // Renamed at once, so that an ingest of the same digest that commits meanwhile is not deleted in its place.
    const garbage = join(this.#ingestDir, `deleted-${this.#counter++}`);
    try {
      renameSync(this.#path(digest), garbage);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return;
      throw fail("internal", `cannot delete blob "${digest}": ${messageOf(error)}`, error);
    }
    await rm(garbage, { force: true });
  }

  #path(digest: string): string {
    return join(this.#blobsDir, hexOf(digest));
  }
}

class LocalIngest implements Ingest {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #file: AppendFile;
  readonly #hash = createHash("sha256");
  readonly #place: (blob: BlobInfo) => Promise<void>;
  #sizeBytes = 0;
  #ended = false;

  constructor(path: string, handle: FileHandle, place: (blob: BlobInfo) => Promise<void>) {
    this.#path = path;
    this.#handle = handle;
    this.#file = new AppendFile(handle);
    this.#place = place;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  async write(bytes: Uint8Array): Promise<void> {
    // The write is queued first: the disk works while this thread hashes.
    const written = this.#file.write(bytes);
    this.#hash.update(bytes);
    this.#sizeBytes += bytes.length;
    try {
      await written;
    } catch (error) {
      throw cannotWrite(error);
    }
  }

  async commit(expected: ExpectedBlob = {}): Promise<BlobInfo> {
    const blob: BlobInfo = { digest: `sha256:${this.#hash.digest("hex")}`, sizeBytes: this.#sizeBytes };
    try {
      checkExpected(blob, expected);
      await this.#file.drain();
      await this.#handle.sync();
      await this.#place(blob);
      this.#ended = true;
      await this.#handle.close();
      return blob;
    } catch (error) {
      await this.abort();
      throw cannotWrite(error);
    }
  }

  async abort(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    // A write that is under way ends before its descriptor does: the number might belong to another file by then.
    await this.#file.drain().catch(() => {});
    await this.#handle.close();
    await rm(this.#path, { force: true });
  }
}

function checkExpected(blob: BlobInfo, expected: ExpectedBlob): void {
  if (expected.sizeBytes !== undefined && expected.sizeBytes !== blob.sizeBytes)
    throw fail("invalid_argument", `blob has ${blob.sizeBytes} bytes instead of ${expected.sizeBytes}`);
  if (expected.digest !== undefined && expected.digest !== blob.digest)
    throw fail("invalid_argument", `blob has digest "${blob.digest}" instead of "${expected.digest}"`);
}

function checkStored(digest: string, found: string): void {
  if (digest !== found)
    throw fail("internal", `blob "${digest}" is damaged: its bytes have digest "${found}"`);
}

function cannotWrite(error: unknown): GantryError {
  if (error instanceof GantryError) return error;
  if (isDiskFull(error)) return fail("unavailable", "cannot write blob: no space left on device", error);
  return fail("internal", `cannot write blob: ${messageOf(error)}`, error);
}
