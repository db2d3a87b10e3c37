/**
 * Content in a directory:
 *
 *     blobs/sha256/<hex>   complete blobs, by digest
 *     partial/<name>       blobs of named ingests; the old ones are deleted at start
 *     ingest/<number>      blobs of other ingests, and blobs being deleted; emptied at start
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { type FileHandle, link, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { withRoom } from "../../base/disk-full.ts";
import { syncDirectory, syncDirectorySync } from "../../base/sync-directory.ts";
import { errnoOf, fail, messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { hexOf, isDigest, sha256Of } from "../../specs/oci-image/digest.ts";
import {
  type BlobHolder,
  type BlobInfo,
  type ByteRange,
  type Content,
  DEFAULT_PARTIAL_MAX_AGE_MS,
  type ExpectedBlob,
  type Ingest,
  type OpenOptions,
  type PartialBlob,
} from "./content.ts";
import type { DiskCare } from "./append-file.ts";
import { cannotWrite, type FileOwner, LocalIngest } from "./local-ingest.ts";
import { PartialBlobs } from "./partial-blobs.ts";

/** Bytes read at a time: large enough that the trips to the thread pool do not show. */
const READ_BYTES = 256 << 10;

export interface ContentOptions extends DiskCare {
  readonly partialMaxAgeMs?: number;
}

/** Opens the store in `root` (created when missing), deletes what a crash left half-made, and reads what there is. */
export function openContent(root: string, log: Logger, options: ContentOptions = {}): Content {
  const store = new LocalStore(root, options);
  const oldestMs = Date.now() - (options.partialMaxAgeMs ?? DEFAULT_PARTIAL_MAX_AGE_MS);
  const { deletedIngests, deletedPartials, strangers } = store.recover(oldestMs);
  if (deletedIngests > 0) log.info("deleted unfinished blobs of an earlier run", { count: deletedIngests });
  if (deletedPartials > 0)
    log.info("deleted partial blobs that nobody went on with", { count: deletedPartials });
  for (const name of strangers) log.warn("ignored a file that is not named like a blob", { name });
  return store;
}

class LocalStore implements Content {
  readonly #blobsDir: string;
  readonly #ingestDir: string;
  readonly #blobs = new Map<string, BlobInfo>();
  readonly #partials: PartialBlobs;
  readonly #disk: DiskCare;
  #counter = 0;

  constructor(root: string, disk: DiskCare) {
    this.#disk = disk;
    this.#blobsDir = join(root, "blobs", "sha256");
    this.#ingestDir = join(root, "ingest");
    mkdirSync(this.#blobsDir, { recursive: true, mode: 0o700 });
    mkdirSync(this.#ingestDir, { recursive: true, mode: 0o700 });
    this.#partials = new PartialBlobs(join(root, "partial"));
    syncDirectorySync(join(root, "blobs"));
    syncDirectorySync(root);
  }

  recover(oldestPartialMs: number): {
    readonly deletedIngests: number;
    readonly deletedPartials: number;
    readonly strangers: readonly string[];
  } {
    const old = readdirSync(this.#ingestDir);
    for (const name of old) rmSync(join(this.#ingestDir, name), { recursive: true, force: true });
    const partials = this.#partials.recover(oldestPartialMs);
    const strangers = [...partials.strangers];
    for (const entry of readdirSync(this.#blobsDir, { withFileTypes: true })) {
      const digest = `sha256:${entry.name}`;
      if (!entry.isFile() || !isDigest(digest)) strangers.push(entry.name);
      else this.#blobs.set(digest, { digest, sizeBytes: statSync(this.#path(digest)).size });
    }
    return { deletedIngests: old.length, deletedPartials: partials.deleted, strangers };
  }

  stat(digest: string): BlobInfo | undefined {
    return this.#blobs.get(digest);
  }

  list(): readonly BlobInfo[] {
    return [...this.#blobs.values()];
  }

  async begin(holder: BlobHolder, name?: string, signal?: AbortSignal): Promise<Ingest> {
    try {
      return await withRoom(this.#disk.room, () =>
        name === undefined ? this.#beginUnnamed(holder) : this.#resume(holder, name, signal),
      );
    } catch (error) {
      if (signal?.aborted === true) throw error;
      throw cannotWrite(error);
    }
  }

  async #beginUnnamed(holder: BlobHolder): Promise<Ingest> {
    const path = join(this.#ingestDir, String(this.#counter++));
    const drop = (): Promise<void> => rm(path, { force: true });
    const owner: FileOwner = {
      grown: () => {},
      place: (blob) => this.#place(path, blob, holder, false),
      drop,
      keep: drop,
    };
    const handle = await open(path, "wx+", 0o600);
    const file = { handle, hash: createHash("sha256"), sizeBytes: 0 };
    return new LocalIngest(file, owner, this.#disk);
  }

  async #resume(holder: BlobHolder, name: string, signal: AbortSignal | undefined): Promise<Ingest> {
    const partials = this.#partials;
    const owner: FileOwner = {
      grown: (sizeBytes) => partials.grown(name, sizeBytes),
      place: async (blob, staysPartial) => {
        await this.#place(partials.path(name), blob, holder, staysPartial);
        if (staysPartial) partials.completed(name, blob.sizeBytes);
        else partials.forget(name);
      },
      drop: () => partials.drop(name),
      keep: (hashed) => partials.release(name, hashed),
    };
    return new LocalIngest(await partials.claim(name, signal), owner, this.#disk);
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
  async #place(path: string, blob: BlobInfo, holder: BlobHolder, stays: boolean): Promise<void> {
    holder.holdBlob(blob.digest);
    // A second name of the file, which takes the place of another's blob of the same digest in one step.
    const source = stays ? join(this.#ingestDir, String(this.#counter++)) : path;
    if (stays) await link(path, source);
    await rename(source, this.#path(blob.digest));
    await syncDirectory(this.#blobsDir);
    this.#blobs.set(blob.digest, blob);
  }

  async *open(digest: string, { verify, range }: OpenOptions): AsyncGenerator<Uint8Array> {
    const handle = await this.#openForReading(digest);
    try {
      const hash = verify ? createHash("sha256") : undefined;
      let { at, end } = this.#bounds(digest, range);
      while (at < end) {
        const wanted = Math.min(READ_BYTES, end - at);
        const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(wanted), 0, wanted, at);
        if (bytesRead === 0) break;
        at += bytesRead;
        const bytes = buffer.subarray(0, bytesRead);
        hash?.update(bytes);
        yield bytes;
      }
      if (hash !== undefined) checkStored(digest, `sha256:${hash.digest("hex")}`);
      else if (range !== undefined && at < end)
        throw fail("internal", `blob "${digest}" is damaged: it ends before byte ${end}`);
    } finally {
      await handle.close();
    }
  }

  #bounds(digest: string, range: ByteRange | undefined): { at: number; end: number } {
    // Up to where the file ends, which is what must have the digest, and not where it once ended.
    if (range === undefined) return { at: 0, end: Number.POSITIVE_INFINITY };
    const size = this.#blobs.get(digest)?.sizeBytes ?? 0;
    const { offset, length = size - offset } = range;
    const end = offset + length;
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(end) || offset < 0 || length < 0 || end > size)
      throw fail("invalid_argument", `blob "${digest}" has ${size} bytes, not ${offset} to ${end}`);
    return { at: offset, end };
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

  partials(): readonly PartialBlob[] {
    return this.#partials.list();
  }

  discard(name: string): Promise<void> {
    return this.#partials.discard(name);
  }

  strangers(): readonly string[] {
    const blobs = readdirSync(this.#blobsDir, { withFileTypes: true })
      .filter((entry) => !entry.isFile() || !isDigest(`sha256:${entry.name}`))
      .map((entry) => join(this.#blobsDir, entry.name));
    return [...blobs, ...this.#partials.strangers()];
  }

  async discardStranger(path: string): Promise<void> {
    if (!this.strangers().includes(path)) throw fail("not_found", `"${path}" is no stranger`);
    await rm(path, { recursive: true, force: true });
  }

  #path(digest: string): string {
    return join(this.#blobsDir, hexOf(digest));
  }
}

function checkStored(digest: string, found: string): void {
  if (digest !== found)
    throw fail("internal", `blob "${digest}" is damaged: its bytes have digest "${found}"`);
}
