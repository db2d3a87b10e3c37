/** Collects what is read from log files into whole lines for the scanner. */
import type { EntryScanner } from "./entry-scanner.ts";

const NEWLINE = 0x0a;
const FIRST_BYTES = 256 << 10;
/** The shim's entries are shorter; a longer line is none of its. */
const LINE_MAX_BYTES = 2 << 20;

export class LineFeed {
  readonly #scanner: EntryScanner;
  #buffer: Buffer | undefined;
  #used = 0;
  /** In the middle of a line that was too long to keep. */
  #isSkipping = false;

  constructor(scanner: EntryScanner) {
    this.#scanner = scanner;
  }

  /** Where the next bytes may be read to; never empty. */
  space(): Buffer {
    this.#buffer ??= Buffer.allocUnsafeSlow(FIRST_BYTES);
    if (this.#used === this.#buffer.length) {
      if (this.#used >= LINE_MAX_BYTES) this.#dropLine();
      else {
        const larger = Buffer.allocUnsafeSlow(this.#buffer.length * 2);
        this.#buffer.copy(larger, 0, 0, this.#used);
        this.#buffer = larger;
      }
    }
    return this.#buffer.subarray(this.#used);
  }

  /** `bytes` were put into `space()`. Returns what the lines that are complete now give. */
  commit(bytes: number): Uint8Array[] {
    const buffer = this.#buffer;
    if (buffer === undefined) return [];
    const used = this.#used + bytes;
    const fresh = buffer.subarray(this.#used, used);
    const lastNewline = fresh.lastIndexOf(NEWLINE);
    if (lastNewline < 0) {
      this.#used = used;
      return [];
    }
    const end = this.#used + lastNewline + 1;
    const begin = this.#isSkipping ? buffer.indexOf(NEWLINE) + 1 : 0;
    this.#isSkipping = false;
    const parts = begin < end ? this.#scanner.scan(buffer, begin, end) : [];
    buffer.copyWithin(0, end, used);
    this.#used = used - end;
    return parts;
  }

  /** Another file begins, or the same one anew: an unfinished line stays unfinished. */
  reset(): void {
    if (this.#used > 0 && !this.#isSkipping) this.#scanner.skipDamaged();
    this.#used = 0;
    this.#isSkipping = false;
  }

  /** Gives the buffer back while nothing is expected. */
  rest(): void {
    if (this.#used === 0) this.#buffer = undefined;
  }

  #dropLine(): void {
    if (!this.#isSkipping) this.#scanner.skipDamaged();
    this.#used = 0;
    this.#isSkipping = true;
  }
}
