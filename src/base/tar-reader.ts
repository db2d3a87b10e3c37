/**
 * Reads a tar archive as it streams by: for archives whose members are looked at here, never for unpacking to disk.
 * Names are given as they stand in the archive; nothing has been made safe about them.
 */
import { fail, type GantryError } from "./errors.ts";
import { BLOCK, FIELD, type Field, isTarHeader, isZeroBlock, paddedSize, readOctal } from "./tar-format.ts";

export interface TarLimits {
  /** Members, headers of headers included. */
  readonly maxEntries: number;
  /** Bytes of one PAX or long-name header. */
  readonly maxHeaderBytes: number;
}

export type TarKind = "file" | "directory" | "symlink" | "hardlink" | "other";

export interface TarEntry {
  readonly name: string;
  readonly kind: TarKind;
  /** Target of a link, "" for everything else. */
  readonly linkName: string;
  readonly sizeBytes: number;
  /** The bytes, once, before the next entry is asked for; what is not read is skipped. */
  readonly content: AsyncIterable<Uint8Array>;
}

/** Go's words, which Docker passes on: for a stream that is no tar archive, and for one that ends early. */
const NOT_A_TAR = "archive/tar: invalid tar header";
const TRUNCATED = "unexpected EOF";

const KINDS: ReadonlyMap<string, TarKind> = new Map([
  ["0", "file"],
  ["\0", "file"],
  ["7", "file"],
  ["1", "hardlink"],
  ["2", "symlink"],
  ["5", "directory"],
]);

/** Throws `invalid_argument` for what is no tar archive, ends early or exceeds a limit. Reads nothing after the end mark. */
export async function* readTar(
  source: AsyncIterable<Uint8Array>,
  limits: TarLimits,
): AsyncGenerator<TarEntry> {
  await using bytes = new ByteReader(source);
  let overrides: Overrides = {};
  for (let entries = 0; ; entries++) {
    const header = await bytes.takeOrEnd(BLOCK);
    if (header === undefined || isZeroBlock(header)) return;
    if (!isTarHeader(header)) throw invalid(NOT_A_TAR);
    if (entries >= limits.maxEntries) throw invalid(`archive has more than ${limits.maxEntries} entries`);
    const type = String.fromCharCode(header[FIELD.type[0]] ?? 0);
    if ("xgLK".includes(type)) {
      const body = await readHeaderBody(bytes, sizeOf(header), limits);
      if (type !== "g") overrides = { ...overrides, ...overridesOf(type, body) };
      continue;
    }
    if (type === "S") throw invalid("archive holds a sparse file, which is not supported here");
    const sizeBytes = hasContent(type) ? (overrides.size ?? sizeOf(header)) : 0;
    const content = new Member(bytes, sizeBytes);
    yield {
      name: overrides.path ?? nameOf(header),
      kind: KINDS.get(type) ?? "other",
      linkName: overrides.linkpath ?? textOf(header, FIELD.linkName),
      sizeBytes,
      content,
    };
    await content.skipRest();
    overrides = {};
  }
}

/** What an extended header says about the member after it. */
interface Overrides {
  readonly path?: string;
  readonly linkpath?: string;
  readonly size?: number;
}

function hasContent(type: string): boolean {
  return !"123456".includes(type);
}

function nameOf(header: Uint8Array): string {
  const name = textOf(header, FIELD.name);
  const isUstar = textOf(header, FIELD.magic) === "ustar";
  const prefix = isUstar ? textOf(header, FIELD.prefix) : "";
  return prefix === "" ? name : `${prefix}/${name}`;
}

function textOf(header: Uint8Array, [offset, length]: Field): string {
  const field = Buffer.from(header.buffer, header.byteOffset + offset, length);
  const end = field.indexOf(0);
  return field.toString("utf8", 0, end === -1 ? length : end);
}

function sizeOf(header: Uint8Array): number {
  const [offset, length] = FIELD.size;
  const first = header[offset] ?? 0;
  if ((first & 0x80) === 0) return checkSize(readOctal(header, FIELD.size));
  // Base 256, big-endian; the highest bit is the mark, the next one the sign.
  let value = first & 0x7f;
  for (let i = 1; i < length; i++) value = value * 256 + (header[offset + i] ?? 0);
  return checkSize(value);
}

function checkSize(size: number | undefined): number {
  if (size === undefined || !Number.isSafeInteger(size) || size < 0) throw invalid(NOT_A_TAR);
  return size;
}

async function readHeaderBody(bytes: ByteReader, sizeBytes: number, limits: TarLimits): Promise<Buffer> {
  if (sizeBytes > limits.maxHeaderBytes)
    throw invalid(`archive has a header of ${sizeBytes} bytes, ${limits.maxHeaderBytes} are allowed`);
  const padded = await bytes.takeOrEnd(paddedSize(sizeBytes));
  if (padded === undefined && sizeBytes > 0) throw invalid(TRUNCATED);
  return padded?.subarray(0, sizeBytes) ?? Buffer.alloc(0);
}

function overridesOf(type: string, body: Buffer): Overrides {
  if (type === "x") return paxOverrides(body);
  const end = body.indexOf(0);
  const text = body.toString("utf8", 0, end === -1 ? body.length : end);
  return type === "L" ? { path: text } : { linkpath: text };
}

/** PAX records: "<length> <key>=<value>\n", the length counting the whole record in bytes. */
function paxOverrides(body: Buffer): Overrides {
  let overrides: Overrides = {};
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(0x20, at);
    const digits = space === -1 ? "" : body.toString("latin1", at, space);
    const end = /^[1-9][0-9]{0,9}$/.test(digits) ? at + Number(digits) : 0;
    const equals = body.indexOf(0x3d, space);
    if (end <= space || end > body.length || equals === -1 || equals >= end || body[end - 1] !== 0x0a)
      throw invalid(NOT_A_TAR);
    const key = body.toString("utf8", space + 1, equals);
    const value = body.toString("utf8", equals + 1, end - 1);
    if (key.startsWith("GNU.sparse."))
      throw invalid("archive holds a sparse file, which is not supported here");
    if (key === "path" || key === "linkpath") overrides = { ...overrides, [key]: value };
    if (key === "size") {
      if (!/^[0-9]{1,16}$/.test(value)) throw invalid(NOT_A_TAR);
      overrides = { ...overrides, size: checkSize(Number(value)) };
    }
    at = end;
  }
  return overrides;
}

function invalid(message: string): GantryError {
  return fail("invalid_argument", message);
}

/** Pieces of whatever length the source gives, taken in the lengths that the format asks for. */
class ByteReader implements AsyncDisposable {
  readonly #source: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = Buffer.alloc(0);
  #ended = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Exactly `length` bytes, or undefined at the end of the source; throws when it ends in between. */
  async takeOrEnd(length: number): Promise<Buffer | undefined> {
    if (length === 0) return Buffer.alloc(0);
    const first = await this.some(length);
    if (first === undefined) return undefined;
    if (first.length === length) return Buffer.from(first.buffer, first.byteOffset, length);
    // Copied at once: a piece may be gone when the next is asked for.
    const taken = Buffer.alloc(length);
    taken.set(first);
    for (let at = first.length; at < length; ) {
      const part = await this.some(length - at);
      if (part === undefined) throw invalid(TRUNCATED);
      taken.set(part, at);
      at += part.length;
    }
    return taken;
  }

  /** The next bytes, at least one and at most `max`, without copying; undefined at the end. */
  async some(max: number): Promise<Uint8Array | undefined> {
    while (this.#rest.length === 0) {
      const next = await this.#source.next();
      if (next.done === true) {
        this.#ended = true;
        return undefined;
      }
      this.#rest = next.value;
    }
    const part = this.#rest.subarray(0, max);
    this.#rest = this.#rest.subarray(part.length);
    return part;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) await this.#source.return?.();
  }
}

/** One member's content and padding. */
class Member implements AsyncIterable<Uint8Array> {
  readonly #bytes: ByteReader;
  #left: number;
  #padding: number;

  constructor(bytes: ByteReader, sizeBytes: number) {
    this.#bytes = bytes;
    this.#left = sizeBytes;
    this.#padding = paddedSize(sizeBytes) - sizeBytes;
  }

  /** May be ended early and taken up again: the position is the member's, not the iterator's. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    while (this.#left > 0) {
      const part = await this.#bytes.some(this.#left);
      if (part === undefined) throw invalid(TRUNCATED);
      this.#left -= part.length;
      yield part;
    }
  }

  async skipRest(): Promise<void> {
    this.#left += this.#padding;
    this.#padding = 0;
    for await (const _ of this) continue;
  }
}
