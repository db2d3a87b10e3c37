import { write } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { promisify } from "node:util";
import { isDiskFull, type Room } from "../../base/disk-full.ts";
import { giveBuffer, takeBuffer } from "./write-buffers.ts";

const writeTo = promisify(write);

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
 * Appends to a file while the caller goes on: one buffer is filled while the disk takes another, so the caller waits only for
 * a disk that is slower than he is, and his bytes are his again. A failure is kept and thrown by everything that follows. A
 * full disk is one when no room can be made, or when it is full for the second time.
 */
export class AppendFile {
  readonly #handle: FileHandle;
  readonly #startWriteback: StartWriteback | undefined;
  #givenBytes: number;
  #writtenBytes: number;
  #sentBytes: number;
  #writeback: Promise<void> = Promise.resolve();
  #filling: Buffer | undefined;
  #filledBytes = 0;
  #flushing: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  /** Asked once. */
  #room: Room | undefined;

  constructor(handle: FileHandle, sizeBytes: number, { startWriteback, room }: DiskCare = {}) {
    this.#handle = handle;
    this.#startWriteback = startWriteback;
    this.#room = room;
    this.#givenBytes = this.#writtenBytes = this.#sentBytes = sizeBytes;
  }

  /** Given, and not known to be in the file yet. */
  get queuedBytes(): number {
    return this.#givenBytes - this.#writtenBytes;
  }

  /** Copies the bytes. Resolves when more may come. */
  async write(bytes: Uint8Array): Promise<void> {
    this.#throwFailure();
    this.#givenBytes += bytes.length;
    for (let at = 0; at < bytes.length; ) {
      const buffer = (this.#filling ??= takeBuffer());
      const part = bytes.subarray(at, at + buffer.length - this.#filledBytes);
      buffer.set(part, this.#filledBytes);
      this.#filledBytes += part.length;
      at += part.length;
      if (this.#filledBytes === buffer.length) await this.#startFlush();
    }
  }

  /** Resolves when everything given so far is in the file. */
  async drain(): Promise<void> {
    const given = this.#givenBytes;
    do {
      await this.#startFlush();
      await this.#flushing;
      this.#throwFailure();
    } while (this.#writtenBytes < given);
  }

  /** The same, for whoever closes the file: afterwards nothing here has to do with its descriptor any more. */
  async end(): Promise<void> {
    try {
      await this.drain();
    } finally {
      await this.#writeback;
    }
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Resolves when the disk has begun with what is filled, one buffer at a time. */
  async #startFlush(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing;
    this.#throwFailure();
    const buffer = this.#filling;
    if (buffer === undefined) return;
    const bytes = buffer.subarray(0, this.#filledBytes);
    this.#filling = undefined;
    this.#filledBytes = 0;
    this.#flushing = this.#flush(bytes).finally(() => {
      this.#flushing = undefined;
      giveBuffer(buffer);
    });
  }

  /** Never rejects: a writer may be elsewhere when the disk fails. */
  async #flush(bytes: Buffer): Promise<void> {
    try {
      for (let at = 0; at < bytes.length; ) {
        // It may write less than it was given when the disk fills up.
        const { bytesWritten } = await this.#writeSome(bytes.subarray(at));
        at += bytesWritten;
        this.#writtenBytes += bytesWritten;
      }
      await this.#send();
    } catch (error) {
      this.#failure = { error };
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

  async #writeSome(bytes: Buffer): Promise<{ readonly bytesWritten: number }> {
    const room = this.#room;
    const seen = room?.times ?? 0;
    try {
      return await writeTo(this.#handle.fd, bytes);
    } catch (error) {
      this.#room = undefined;
      if (room === undefined || !isDiskFull(error) || !(await room.make(seen))) throw error;
      return await writeTo(this.#handle.fd, bytes);
    }
  }
}
