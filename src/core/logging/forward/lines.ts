/** Whole lines of one log file from an offset on, a batch at a time, while the file is still written to. */
import { gunzipped } from "../gunzip.ts";
import type { LogFile } from "../log-files.ts";

const NEWLINE = 0x0a;
export const BATCH_BYTES = 64 << 10;
/** The shim's entries are shorter; a longer line is none of its. */
const LINE_MAX_BYTES = 2 << 20;

export interface FileLines {
  /** Behind the last line that was returned, in bytes of the plain file. */
  readonly offset: number;
  /** Undefined = none at present. What was returned may be overwritten by the next call. */
  next(): Promise<Buffer | undefined>;
  close(): Promise<void>;
}

export function linesOf(file: LogFile, offset: number): FileLines {
  return file.isCompressed ? new CompressedLines(file, offset) : new PlainLines(file, offset);
}

class PlainLines implements FileLines {
  readonly #file: LogFile;
  #buffer = Buffer.alloc(0);
  offset: number;

  constructor(file: LogFile, offset: number) {
    this.#file = file;
    this.offset = offset;
  }

  async next(): Promise<Buffer | undefined> {
    const { size } = await this.#file.handle.stat();
    // Somebody has emptied the file under us.
    if (size < this.offset) this.offset = 0;
    for (let room = BATCH_BYTES; this.offset < size; room *= 2) {
      if (this.#buffer.length < room) this.#buffer = Buffer.allocUnsafeSlow(room);
      const { bytesRead } = await this.#file.handle.read(this.#buffer, 0, room, this.offset);
      const end = bytesRead === 0 ? -1 : this.#buffer.lastIndexOf(NEWLINE, bytesRead - 1);
      if (end >= 0) {
        this.offset += end + 1;
        return this.#buffer.subarray(0, end + 1);
      }
      if (bytesRead < room) break;
      if (room >= LINE_MAX_BYTES) {
        this.offset += bytesRead;
        room = BATCH_BYTES / 2;
      }
    }
    this.#buffer = Buffer.alloc(0);
    return undefined;
  }

  async close(): Promise<void> {
    await this.#file.handle.close();
  }
}

class CompressedLines implements FileLines {
  readonly #file: LogFile;
  readonly #end = new AbortController();
  readonly #chunks: AsyncGenerator<Buffer>;
  #toSkip: number;
  #rest: Buffer = Buffer.alloc(0);
  offset: number;

  constructor(file: LogFile, offset: number) {
    this.#file = file;
    this.offset = offset;
    this.#toSkip = offset;
    this.#chunks = gunzipped(file, this.#end.signal);
  }

  async next(): Promise<Buffer | undefined> {
    for (;;) {
      const { done, value } = await this.#chunks.next();
      if (done === true) return undefined;
      const skipped = Math.min(this.#toSkip, value.length);
      this.#toSkip -= skipped;
      const bytes = Buffer.concat([this.#rest, value.subarray(skipped)]);
      const end = bytes.lastIndexOf(NEWLINE) + 1;
      this.#rest = bytes.subarray(end);
      if (this.#rest.length > LINE_MAX_BYTES) {
        this.offset += this.#rest.length;
        this.#rest = Buffer.alloc(0);
      }
      if (end === 0) continue;
      this.offset += end;
      return bytes.subarray(0, end);
    }
  }

  async close(): Promise<void> {
    this.#end.abort();
    await this.#chunks.return(undefined).catch(() => {});
    await this.#file.handle.close();
  }
}
