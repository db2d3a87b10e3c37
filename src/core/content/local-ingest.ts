/** One blob being written to a file: the bytes go to the disk while their digest is computed. */
import type { Hash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { isDiskFull } from "../../base/disk-full.ts";
import { fail, GantryError, messageOf } from "../../base/errors.ts";
import { AppendFile, type DiskCare } from "./append-file.ts";
import type { BlobInfo, ExpectedBlob, Ingest } from "./content.ts";

/** Bytes read at a time. */
const READ_BYTES = 256 << 10;

/** A file, positioned at its end, and the digest of what it holds so far. */
export interface OpenFile {
  readonly handle: FileHandle;
  readonly hash: Hash;
  readonly sizeBytes: number;
}

/** Whose file it is. Of place, drop and keep one is called, once, when nothing writes to the file any more. */
export interface FileOwner {
  grown(sizeBytes: number): void;
  /** The file is complete and synced: from now on it is the blob. Its descriptor is still open. */
  place(blob: BlobInfo, staysPartial: boolean): Promise<void>;
  /** The file is to go; its descriptor is closed. */
  drop(): Promise<void>;
  /** The file is to stay; its descriptor is closed. Undefined: not known to hold what was hashed. */
  keep(hashed: Omit<OpenFile, "handle"> | undefined): Promise<void>;
}

export class LocalIngest implements Ingest {
  readonly #handle: FileHandle;
  readonly #file: AppendFile;
  readonly #hash: Hash;
  readonly #owner: FileOwner;
  readonly #foundBytes: number;
  #sizeBytes: number;
  #ended = false;

  constructor({ handle, hash, sizeBytes }: OpenFile, owner: FileOwner, disk: DiskCare = {}) {
    this.#foundBytes = sizeBytes;
    this.#handle = handle;
    this.#file = new AppendFile(handle, sizeBytes, disk);
    this.#hash = hash;
    this.#sizeBytes = sizeBytes;
    this.#owner = owner;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  async *found(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < this.#foundBytes; ) {
      if (this.#ended) throw fail("internal", "cannot read blob back: its ingest has ended");
      const wanted = Math.min(READ_BYTES, this.#foundBytes - at);
      const { bytesRead, buffer } = await this.#handle.read(Buffer.allocUnsafe(wanted), 0, wanted, at);
      if (bytesRead === 0) throw fail("internal", "cannot read blob back: its file was cut off");
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  async read(offset: number, length: number): Promise<Buffer> {
    // Only who has caught up waits for the disk.
    if (offset >= this.#sizeBytes - this.#file.queuedBytes) await this.#file.drain();
    if (this.#ended) throw fail("internal", "cannot read blob back: its ingest has ended");
    const there = this.#sizeBytes - this.#file.queuedBytes - offset;
    const wanted = Math.max(0, Math.min(length, there));
    const { bytesRead, buffer } = await this.#handle.read(Buffer.allocUnsafe(wanted), 0, wanted, offset);
    return buffer.subarray(0, bytesRead);
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#ended) throw fail("internal", "cannot write blob: its ingest has ended");
    // The write is queued first: the disk works while this thread hashes.
    const written = this.#file.write(bytes);
    this.#hash.update(bytes);
    this.#sizeBytes += bytes.length;
    this.#owner.grown(this.#sizeBytes);
    try {
      await written;
    } catch (error) {
      throw cannotWrite(error);
    }
  }

  async flush(): Promise<void> {
    if (this.#ended) throw fail("internal", "cannot write blob: its ingest has ended");
    try {
      await this.#file.drain();
    } catch (error) {
      throw cannotWrite(error);
    }
  }

  async commit(expected: ExpectedBlob = {}): Promise<BlobInfo> {
    if (this.#ended) throw fail("internal", "cannot commit blob: its ingest has ended");
    const blob: BlobInfo = { digest: `sha256:${this.#hash.digest("hex")}`, sizeBytes: this.#sizeBytes };
    try {
      checkExpected(blob, expected);
      await this.#file.end();
      await this.#handle.sync();
      await this.#owner.place(blob, expected.staysPartial === true);
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
    await this.#close();
    await this.#owner.drop();
  }

  async suspend(): Promise<void> {
    if (this.#ended) return;
    const isWhole = await this.#close();
    await this.#owner.keep(isWhole ? { hash: this.#hash, sizeBytes: this.#sizeBytes } : undefined);
  }

  /** Whether everything given was written. */
  async #close(): Promise<boolean> {
    this.#ended = true;
    // A write that is under way ends before its descriptor does: the number might belong to another file by then.
    const isWhole = await this.#file.end().then(
      () => true,
      () => false,
    );
    await this.#handle.close();
    return isWhole;
  }
}

function checkExpected(blob: BlobInfo, expected: ExpectedBlob): void {
  if (expected.sizeBytes !== undefined && expected.sizeBytes !== blob.sizeBytes)
    throw fail("invalid_argument", `blob has ${blob.sizeBytes} bytes instead of ${expected.sizeBytes}`);
  if (expected.digest !== undefined && expected.digest !== blob.digest)
    throw fail("invalid_argument", `blob has digest "${blob.digest}" instead of "${expected.digest}"`);
}

export function cannotWrite(error: unknown): GantryError {
  if (error instanceof GantryError) return error;
  if (isDiskFull(error)) return fail("unavailable", "cannot write blob: no space left on device", error);
  return fail("internal", `cannot write blob: ${messageOf(error)}`, error);
}
