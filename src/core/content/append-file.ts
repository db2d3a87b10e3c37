import { writev } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { promisify } from "node:util";
import { isDiskFull, type Room } from "../../base/disk-full.ts";

const writevTo = promisify(writev);

/** How much may wait for the disk before the writer does, in bytes. */
const MAX_QUEUED_BYTES = 4 << 20;

/** So much in the file is worth sending on to the disk, before somebody syncs it and has to wait for all of it. */
const WRITEBACK_BYTES = 8 << 20;

/** `Native.startWriteback` of src/linux. Its descriptor stays open until it has resolved. */
export type StartWriteback = (fd: number, from: number, bytes: number) => Promise<void>;

/** What a writer may know of its disk. */
export interface DiskCare {
  /** Without it a commit waits for all bytes to reach the disk. */
  readonly startWriteback?: StartWriteback;
  /** For a write that finds the disk full, and then goes on. */
  readonly room?: Room;
}

/**
 * Appends to a file while the caller goes on: what arrives during one write is written by the next in one call. A
 * failure is kept and thrown by everything that follows. A full disk is one when no room can be made, or when it is full
 * for the second time.
 */
export class AppendFile {
  readonly #handle: FileHandle;
  readonly #startWriteback: StartWriteback | undefined;
  #writtenBytes: number;
  #sentBytes: number;
  #writeback: Promise<void> = Promise.resolve();
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #flushing: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  /** Asked once. */
  #room: Room | undefined;

  constructor(handle: FileHandle, sizeBytes: number, { startWriteback, room }: DiskCare = {}) {
    this.#handle = handle;
    this.#startWriteback = startWriteback;
    this.#room = room;
    this.#writtenBytes = this.#sentBytes = sizeBytes;
  }

  /** Given, and not known to be in the file yet. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#throwFailure();
    if (bytes.length === 0) return;
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    this.#flushing ??= this.#flush();
    if (this.#queuedBytes > MAX_QUEUED_BYTES) await this.drain();
  }

  /** Resolves when everything given so far is in the file. */
  async drain(): Promise<void> {
    await this.#flushing;
    this.#throwFailure();
  }

  /** The same, for whoever closes the file: afterwards nothing here has to do with its descriptor any more. */
  async end(): Promise<void> {
    await this.#flushing;
    await this.#writeback;
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Never rejects: a writer may be elsewhere when the disk fails. */
  async #flush(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        const batch = this.#queue;
        this.#queue = [];
        await this.#writeAll(batch);
        await this.#send();
        for (const bytes of batch) this.#queuedBytes -= bytes.length;
      }
    } catch (error) {
      this.#failure = { error };
      this.#queue = [];
    } finally {
      this.#flushing = undefined;
    }
  }

  /** A disk that is not done with the last part holds up the writer, who would only fill the memory. */
  async #send(): Promise<void> {
    const bytes = this.#writtenBytes - this.#sentBytes;
    if (this.#startWriteback === undefined || bytes < WRITEBACK_BYTES) return;
    await this.#writeback;
    // Only a head start: what is wrong with the disk, the sync says.
    this.#writeback = this.#startWriteback(this.#handle.fd, this.#sentBytes, bytes).catch(() => {});
    this.#sentBytes = this.#writtenBytes;
  }

  async #writeAll(batch: readonly Uint8Array[]): Promise<void> {
    let rest = batch;
    while (rest.length > 0) {
      // A call takes 1024 buffers (IOV_MAX), and may write less than it was given when the disk fills up.
      const { bytesWritten } = await this.#writeSome(rest.slice(0, 1024));
      this.#writtenBytes += bytesWritten;
      rest = after(rest, bytesWritten);
    }
  }

  async #writeSome(batch: readonly Uint8Array[]): Promise<{ readonly bytesWritten: number }> {
    try {
      return await writevTo(this.#handle.fd, batch);
    } catch (error) {
      const room = this.#room;
      this.#room = undefined;
      if (room === undefined || !isDiskFull(error) || !(await room.make())) throw error;
      return await writevTo(this.#handle.fd, batch);
    }
  }
}

function after(batch: readonly Uint8Array[], bytesWritten: number): Uint8Array[] {
  let skip = bytesWritten;
  const rest: Uint8Array[] = [];
  for (const bytes of batch) {
    if (skip >= bytes.length) {
      skip -= bytes.length;
      continue;
    }
    rest.push(bytes.subarray(skip));
    skip = 0;
  }
  return rest;
}
