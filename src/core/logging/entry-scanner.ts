/**
 * json-file entries → what a client of `logs` gets, in one pass over the bytes. An entry, as the shim writes it and
 * Docker too:
 *
 *     {"log":"text\n","stream":"stdout","attrs":{"label":"value"},"time":"2024-01-02T03:04:05.123456789Z"}
 *             ╰text╯╰──────────────────────── head ──────────────────────╯╰──────────── time ───────────╯
 *
 * Few different heads occur in one file, so a head is understood once, by JSON.parse, and compared from then on; the
 * text is unescaped while it is copied; the time is only looked at when it is asked for. Whatever does not look exactly
 * like this goes through JSON.parse, entry by entry. (JSON.parse for all of 300 MB would take seconds.)
 *
 * An entry never comes out longer than it went in, as long as what `details` adds is shorter than the head it comes
 * from; so one output buffer as large as the input needs no further checks.
 */
import {
  FIXED_TIME_BYTES,
  type Moment,
  UtcTime,
  compareMoments,
  copyFixed,
  momentOfNs,
} from "./entry-time.ts";
import { type Entry, type StreamNumber, bytesOfText, isExactByte, parseEntry } from "./slow-entry.ts";

export interface ScanOptions {
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Unix nanoseconds, inclusive. */
  readonly sinceNs: bigint | undefined;
  readonly untilNs: bigint | undefined;
  readonly timestamps: boolean;
  readonly details: boolean;
  readonly framed: boolean;
}

interface Head {
  /** From the quote that ends the text to the one that begins the time. */
  readonly bytes: Uint8Array;
  readonly stream: StreamNumber;
  /** What `details` puts before the text; empty without that option. */
  readonly details: Uint8Array;
}

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const BRACE = 0x7d;
const PREFIX = Buffer.from('{"log":"');
const TIME_KEY = Buffer.from('"time":"');
/** "2006-01-02T15:04:05Z" and the same with nine digits more. */
const TIME_MIN = 20;
const TIME_MAX = 30;
/** What follows the time: quote, brace, newline. */
const ENTRY_END_BYTES = 3;
const FRAME_HEADER_BYTES = 8;
/** Prefix, time and end of an entry are so much longer than frame header and timestamp, at least. */
const SPARE_BYTES = PREFIX.length + TIME_MIN + ENTRY_END_BYTES - FRAME_HEADER_BYTES - FIXED_TIME_BYTES;
const MAX_HEADS = 4;
/** After so many plain bytes, searching and copying natively is faster than the loop. */
const BULK_BYTES = 24;

/** 1 for bytes that do not stand for themselves in a JSON string. */
const IS_SPECIAL = new Uint8Array(256).fill(1, 0, 0x20);
IS_SPECIAL[QUOTE] = 1;
IS_SPECIAL[BACKSLASH] = 1;

/** What stands behind a backslash → the byte it means; 0 = not a two-letter escape. */
const ESCAPES = new Uint8Array(256);
const LETTERS = Buffer.from('"\\/nrtbf');
for (const [i, meaning] of Buffer.from('"\\/\n\r\t\b\f').entries()) ESCAPES[LETTERS[i] ?? 0] = meaning;

const LETTER_U = 0x75;
const NO_DIGIT = 0x10000;
/** The value of a hexadecimal digit, NO_DIGIT for everything else. */
const HEX = new Int32Array(256).fill(NO_DIGIT);
for (const digit of "0123456789abcdefABCDEF") HEX[digit.charCodeAt(0)] = Number.parseInt(digit, 16);

export class EntryScanner {
  readonly #options: ScanOptions;
  readonly #since: Moment | undefined;
  readonly #until: Moment | undefined;
  readonly #hasBounds: boolean;
  readonly #time = new UtcTime();
  #heads: readonly Head[] = [];
  /** The length of the last entry's time: most likely the next one's, too. */
  #timeBytes = TIME_MAX;
  /** Where the next backslash and quote are, while they lie ahead. */
  #nextBackslash = -1;
  #nextQuote = -1;
  #parts: Uint8Array[] = [];
  #out = Buffer.alloc(0);
  /** Output up to here is in `#parts`. */
  #begun = 0;
  #used = 0;
  /** Where the output of the last `#copyText` ends. */
  #copied = 0;
  #damaged = 0;
  #isPastUntil = false;

  constructor(options: ScanOptions) {
    this.#options = options;
    this.#since = options.sinceNs === undefined ? undefined : momentOfNs(options.sinceNs);
    this.#until = options.untilNs === undefined ? undefined : momentOfNs(options.untilNs);
    this.#hasBounds = this.#since !== undefined || this.#until !== undefined;
  }

  /** How many lines were no entries. */
  get damaged(): number {
    return this.#damaged;
  }

  /** An entry later than `untilNs` was met: nothing more will come out. */
  get isPastUntil(): boolean {
    return this.#isPastUntil;
  }

  /** Counts a line that is not even handed to `scan`. */
  skipDamaged(): void {
    this.#damaged++;
  }

  /** Takes the lines from `from` to `to`, which is behind a newline, and returns what comes out; `input` may be reused. */
  scan(input: Buffer, from: number, to: number): Uint8Array[] {
    this.#out = Buffer.allocUnsafeSlow(to - from);
    this.#parts = [];
    this.#begun = 0;
    this.#used = 0;
    this.#forgetLandmarks();
    let at = from;
    while (at < to && !this.#isPastUntil) {
      const end = this.#fastEntry(input, at, to);
      at = end >= 0 ? end : this.#slowEntry(input, at);
    }
    this.#cutPart();
    return this.#parts;
  }

  /** The offset behind the entry at `at`; -1 when it does not look as expected, and then nothing was put out. */
  #fastEntry(input: Buffer, at: number, to: number): number {
    for (let i = 0; i < PREFIX.length; i++) if (input[at + i] !== PREFIX[i]) return -1;
    const { framed, timestamps } = this.#options;
    const payload = this.#used + (framed ? FRAME_HEADER_BYTES : 0);
    const details = payload + (timestamps ? FIXED_TIME_BYTES : 0);
    // The text is put where it belongs if this head is the same as the last one.
    const assumed = details + (this.#heads[0]?.details.length ?? 0);
    const textEnd = this.#copyText(input, at + PREFIX.length, to, assumed);
    if (textEnd < 0) return -1;
    const head = this.#headAt(input, textEnd);
    if (head === undefined) return -1;
    const timeAt = textEnd + head.bytes.length;
    const timeEnd = this.#findTimeEnd(input, timeAt);
    if (timeEnd < 0) return -1;
    if ((timestamps || this.#hasBounds) && !this.#time.read(input, timeAt, timeEnd)) return -1;
    const end = timeEnd + ENTRY_END_BYTES;
    if (!this.#isWanted(head.stream, this.#time)) return end;
    let used = this.#copied;
    const text = details + head.details.length;
    if (text !== assumed) {
      this.#out.copyWithin(text, assumed, used);
      used += text - assumed;
    }
    if (head.details.length > 0) this.#out.set(head.details, details);
    if (timestamps) copyFixed(input, timeAt, timeEnd, this.#out, payload);
    if (framed) putFrameHeader(this.#out, this.#used, head.stream, used - payload);
    this.#used = used;
    return end;
  }

  /**
   * Unescapes a JSON string's inside from `input[at]` to `#out[to]`. Returns the offset of its closing quote and sets
   * `#copied` to the end of the output; -1 when it does not end before `limit` or has an escape that JSON lacks.
   */
  #copyText(input: Buffer, at: number, limit: number, to: number): number {
    const out = this.#out;
    let i = at;
    let o = to;
    for (;;) {
      const bulk = i + BULK_BYTES;
      let byte = input[i] ?? 0;
      while (IS_SPECIAL[byte] === 0 && i < bulk) {
        out[o++] = byte;
        byte = input[++i] ?? 0;
      }
      if (IS_SPECIAL[byte] === 0) {
        const stop = this.#nextStop(input, i, limit);
        input.copy(out, o, i, stop);
        o += stop - i;
        i = stop;
        byte = input[i] ?? 0;
      }
      if (i >= limit) return -1;
      if (byte === QUOTE) {
        this.#copied = o;
        return i;
      }
      if (byte !== BACKSLASH) return -1;
      const letter = input[i + 1] ?? 0;
      const meaning = ESCAPES[letter] ?? 0;
      if (meaning !== 0) {
        out[o++] = meaning;
        i += 2;
        continue;
      }
      if (letter !== LETTER_U) return -1;
      const unit = hex4(input, i + 2);
      if (unit >= NO_DIGIT) return -1;
      i += 6;
      let point = unit;
      if ((unit & 0xfc00) === 0xd800 && input[i] === BACKSLASH && input[i + 1] === LETTER_U) {
        const low = hex4(input, i + 2);
        if ((low & ~0x3ff) === 0xdc00) {
          point = 0x10000 + ((unit & 0x3ff) << 10) + (low & 0x3ff);
          i += 6;
        }
      }
      o = putUtf8(out, o, point);
    }
  }

  /** The next byte from `at` on that a bulk copy must not take along, at most `limit`. */
  #nextStop(input: Buffer, at: number, limit: number): number {
    if (this.#nextBackslash < at) this.#nextBackslash = indexOrEnd(input, BACKSLASH, at);
    if (this.#nextQuote < at) this.#nextQuote = indexOrEnd(input, QUOTE, at);
    return Math.min(this.#nextBackslash, this.#nextQuote, limit);
  }

  /** The known head that stands at `at`; it is the first of the list afterwards. */
  #headAt(input: Buffer, at: number): Head | undefined {
    for (let n = 0; n < this.#heads.length; n++) {
      const head = this.#heads[n];
      if (head === undefined || !startsWith(input, at, head.bytes)) continue;
      if (n > 0) this.#heads = [head, ...this.#heads.filter((other) => other !== head)];
      return head;
    }
    return undefined;
  }

  /** The offset of the quote behind the time, if the entry ends there; -1 if the time is none in UTC. */
  #findTimeEnd(input: Buffer, at: number): number {
    if (isEntryEnd(input, at + this.#timeBytes)) return at + this.#timeBytes;
    for (let bytes = TIME_MIN; bytes <= TIME_MAX; bytes++)
      if (isEntryEnd(input, at + bytes)) {
        this.#timeBytes = bytes;
        return at + bytes;
      }
    return -1;
  }

  #isWanted(stream: StreamNumber, when: Moment): boolean {
    if (this.#until !== undefined && compareMoments(when, this.#until) > 0) {
      this.#isPastUntil = true;
      return false;
    }
    if (this.#since !== undefined && compareMoments(when, this.#since) < 0) return false;
    return stream === 1 ? this.#options.stdout : stream === 2 && this.#options.stderr;
  }

  /** One line by JSON.parse. Returns the offset behind it. */
  #slowEntry(input: Buffer, at: number): number {
    const newline = input.indexOf(NEWLINE, at);
    const line = input.subarray(at, newline);
    const entry = parseEntry(line.toString("utf8"));
    if (entry === undefined) this.#damaged++;
    else {
      this.#learnHead(line, entry);
      if (this.#isWanted(entry.stream, entry.moment)) this.#putSlow(entry);
    }
    return newline + 1;
  }

  #putSlow(entry: Entry): void {
    const { framed, timestamps, details } = this.#options;
    this.#cutPart();
    const payload = bytesOfText(
      (timestamps ? entry.timestamp : "") + (details ? entry.details : "") + entry.text,
    );
    if (framed) {
      const header = Buffer.alloc(FRAME_HEADER_BYTES);
      putFrameHeader(header, 0, entry.stream, payload.length);
      this.#parts.push(header);
    }
    this.#parts.push(payload);
  }

  /** Remembers the entry's head for `#fastEntry`, unless what `details` makes of it is too long for the buffer. */
  #learnHead(line: Buffer, entry: Entry): void {
    const key = line.lastIndexOf(TIME_KEY);
    // Another buffer than the one that `scan` walks through: its landmarks do not hold.
    this.#forgetLandmarks();
    const textEnd = this.#copyText(line, PREFIX.length, line.length, this.#used);
    this.#forgetLandmarks();
    if (key < textEnd || textEnd < 0) return;
    const details = Buffer.from(this.#options.details ? entry.details : "");
    const bytes = Buffer.from(line.subarray(textEnd, key + TIME_KEY.length));
    if (details.length > bytes.length + SPARE_BYTES) return;
    this.#heads = [{ bytes, stream: entry.stream, details }, ...this.#heads.slice(0, MAX_HEADS - 1)];
  }

  #forgetLandmarks(): void {
    this.#nextBackslash = -1;
    this.#nextQuote = -1;
  }

  #cutPart(): void {
    if (this.#used > this.#begun) this.#parts.push(this.#out.subarray(this.#begun, this.#used));
    this.#begun = this.#used;
  }
}

function indexOrEnd(input: Buffer, byte: number, from: number): number {
  const at = input.indexOf(byte, from);
  return at < 0 ? input.length : at;
}

function startsWith(input: Uint8Array, at: number, expected: Uint8Array): boolean {
  for (let i = 0; i < expected.length; i++) if (input[at + i] !== expected[i]) return false;
  return true;
}

function isEntryEnd(input: Uint8Array, at: number): boolean {
  return input[at] === QUOTE && input[at + 1] === BRACE && input[at + 2] === NEWLINE;
}

/** The value of four hexadecimal digits; NO_DIGIT or more when they are not all digits. */
function hex4(input: Uint8Array, at: number): number {
  let value = 0;
  for (let i = 0; i < 4; i++) {
    const digit = HEX[input[at + i] ?? 0] ?? NO_DIGIT;
    if (digit === NO_DIGIT) return NO_DIGIT;
    value = (value << 4) | digit;
  }
  return value;
}

/**
 * Returns the offset behind the character. Half of a surrogate pair stands for a byte that is no UTF-8 (native/include/jsonlog.h);
 * the others become U+FFFD, as with every decoder.
 */
function putUtf8(out: Uint8Array, at: number, codePoint: number): number {
  if (isExactByte(codePoint)) {
    out[at] = codePoint & 0xff;
    return at + 1;
  }
  const point = codePoint >= 0xd800 && codePoint <= 0xdfff ? 0xfffd : codePoint;
  let o = at;
  if (point < 0x80) {
    out[o++] = point;
    return o;
  }
  if (point < 0x800) out[o++] = 0xc0 | (point >> 6);
  else {
    if (point < 0x10000) out[o++] = 0xe0 | (point >> 12);
    else {
      out[o++] = 0xf0 | (point >> 18);
      out[o++] = 0x80 | ((point >> 12) & 0x3f);
    }
    out[o++] = 0x80 | ((point >> 6) & 0x3f);
  }
  out[o++] = 0x80 | (point & 0x3f);
  return o;
}

/** Type, three zero bytes, length in network order. */
function putFrameHeader(out: Uint8Array, at: number, stream: StreamNumber, bytes: number): void {
  out[at] = stream;
  out[at + 1] = 0;
  out[at + 2] = 0;
  out[at + 3] = 0;
  out[at + 4] = bytes >>> 24;
  out[at + 5] = (bytes >>> 16) & 0xff;
  out[at + 6] = (bytes >>> 8) & 0xff;
  out[at + 7] = bytes & 0xff;
}
