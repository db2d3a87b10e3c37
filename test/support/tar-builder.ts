/**
 * Tar archives byte by byte, good ones and bad ones:
 *
 *     new TarBuilder().directory("etc/").file("etc/motd", "hi\n", { mode: 0o600 }).symlink("run", "/run").end()
 *
 * Entries are ustar. What does not fit (long names, large owners, sparse files, attributes) is asked for by name — `gnuName`,
 * `pax`, `sparse` — so that a test says which extension it is about.
 */
export type Text = string | Uint8Array;

export interface EntryOptions {
  readonly mode?: number;
  readonly uid?: number | bigint;
  readonly gid?: number | bigint;
  /** Seconds. */
  readonly mtime?: number | bigint;
  /** What the size field says; by default the length of the data. */
  readonly size?: number | bigint;
  readonly link?: Text;
  readonly major?: number;
  readonly minor?: number;
  readonly prefix?: Text;
  readonly format?: "ustar" | "gnu" | "v7";
  /** Numbers as base-256 instead of octal digits. */
  readonly binaryNumbers?: boolean;
  /** Records of a PAX header in front of the entry. */
  readonly pax?: Readonly<Record<string, Text>>;
  /** Extended attributes, as SCHILY.xattr records. */
  readonly xattrs?: Readonly<Record<string, Text>>;
  /** Changes the finished header before its checksum is made. */
  readonly edit?: (header: Buffer) => void;
  /** Added to the right checksum. */
  readonly checksumOff?: number;
}

const BLOCK = 512;

/** `text` in front of zeros up to `size`; longer text is cut. */
function field(text: Text, size: number): Buffer {
  const to = Buffer.alloc(size);
  Buffer.from(text).copy(to);
  return to;
}

function binary(value: bigint, size: number): Buffer {
  const to = Buffer.alloc(size);
  let rest = BigInt.asUintN(8 * size, value);
  for (let i = size - 1; i >= 0; i--) {
    to[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  to[0] = (to[0] ?? 0) | 0x80;
  return to;
}

function octal(value: number | bigint, size: number): Buffer {
  return Buffer.from(`${value.toString(8).padStart(size - 1, "0")}\0`);
}

function padding(size: number): Buffer {
  return Buffer.alloc(-size & (BLOCK - 1));
}

/** One 512-byte header. */
export function header(
  name: Text,
  type: string,
  options: EntryOptions & { readonly dataSize?: number },
): Buffer {
  const number = (value: number | bigint, size: number) =>
    options.binaryNumbers === true ? binary(BigInt(value), size) : octal(value, size);
  const format = options.format ?? "ustar";
  const block = Buffer.alloc(BLOCK);
  field(name, 100).copy(block, 0);
  number(options.mode ?? (type === "5" ? 0o755 : 0o644), 8).copy(block, 100);
  number(options.uid ?? 0, 8).copy(block, 108);
  number(options.gid ?? 0, 8).copy(block, 116);
  number(options.size ?? options.dataSize ?? 0, 12).copy(block, 124);
  number(options.mtime ?? 1_700_000_000, 12).copy(block, 136);
  block.write(type, 156, "latin1");
  field(options.link ?? "", 100).copy(block, 157);
  if (format === "ustar") block.write("ustar\x0000", 257, "latin1");
  if (format === "gnu") block.write("ustar  \0", 257, "latin1");
  if (format !== "v7") {
    number(options.major ?? 0, 8).copy(block, 329);
    number(options.minor ?? 0, 8).copy(block, 337);
  }
  if (options.prefix !== undefined) field(options.prefix, 155).copy(block, 345);
  options.edit?.(block);
  block.fill(" ", 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0) + (options.checksumOff ?? 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** One PAX record, with the length that counts its own digits. */
export function paxRecord(key: string, value: Text): Buffer {
  const body = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from("\n")]);
  let length = body.length + 1;
  while (String(length).length + body.length !== length) length = String(length).length + body.length;
  return Buffer.concat([Buffer.from(String(length)), body]);
}

export interface Extent {
  readonly offset: number;
  readonly data: Text;
}

export class TarBuilder {
  readonly #parts: Buffer[] = [];

  /** Bytes as they are. */
  raw(bytes: Text): this {
    this.#parts.push(Buffer.from(bytes));
    return this;
  }

  /** Any entry, with its extended headers. `type` is the header's type letter. */
  entry(name: Text, type: string, data: Text = "", options: EntryOptions = {}): this {
    const records = Object.entries(options.pax ?? {}).map(([key, value]) => paxRecord(key, value));
    for (const [key, value] of Object.entries(options.xattrs ?? {}))
      records.push(paxRecord(`SCHILY.xattr.${key}`, value));
    if (records.length > 0) this.extended("x", Buffer.concat(records));
    const bytes = Buffer.from(data);
    return this.raw(header(name, type, { ...options, dataSize: bytes.length }))
      .raw(bytes)
      .raw(padding(bytes.length));
  }

  file(name: Text, data: Text = "", options: EntryOptions = {}): this {
    return this.entry(name, "0", data, options);
  }

  directory(name: Text, options: EntryOptions = {}): this {
    return this.entry(name, "5", "", options);
  }

  symlink(name: Text, target: Text, options: EntryOptions = {}): this {
    return this.entry(name, "2", "", { mode: 0o777, ...options, link: target });
  }

  hardlink(name: Text, target: Text, options: EntryOptions = {}): this {
    return this.entry(name, "1", "", { ...options, link: target });
  }

  device(name: Text, kind: "char" | "block", major: number, minor: number, options: EntryOptions = {}): this {
    return this.entry(name, kind === "char" ? "3" : "4", "", { ...options, major, minor });
  }

  fifo(name: Text, options: EntryOptions = {}): this {
    return this.entry(name, "6", "", options);
  }

  /** An extended header of its own: "x" and "g" with PAX records, "L" and "K" with a name. */
  extended(type: "x" | "g" | "L" | "K", payload: Text): this {
    const bytes = Buffer.from(payload);
    const name = type === "L" || type === "K" ? "././@LongLink" : "PaxHeaders/entry";
    return this.raw(header(name, type, { dataSize: bytes.length, format: type < "a" ? "gnu" : "ustar" }))
      .raw(bytes)
      .raw(padding(bytes.length));
  }

  /** A GNU long name for the next entry. */
  gnuName(name: Text): this {
    return this.extended("L", Buffer.concat([Buffer.from(name), Buffer.alloc(1)]));
  }

  /** A GNU long link target for the next entry. */
  gnuLink(target: Text): this {
    return this.extended("K", Buffer.concat([Buffer.from(target), Buffer.alloc(1)]));
  }

  /** A sparse file in one of the four ways to write one. */
  sparse(name: string, as: "gnu" | "0.0" | "0.1" | "1.0", size: number, extents: readonly Extent[]): this {
    const pieces = extents.map(({ offset, data }) => ({ offset, data: Buffer.from(data) }));
    const data = Buffer.concat(pieces.map((piece) => piece.data));
    const pairs = pieces.map((piece) => [piece.offset, piece.data.length] as const);
    if (as === "gnu") return this.#gnuSparse(name, size, pairs, data);
    if (as === "0.0") {
      const records = [
        paxRecord("GNU.sparse.size", String(size)),
        paxRecord("GNU.sparse.numblocks", String(pairs.length)),
      ];
      for (const [offset, bytes] of pairs) {
        records.push(paxRecord("GNU.sparse.offset", String(offset)));
        records.push(paxRecord("GNU.sparse.numbytes", String(bytes)));
      }
      return this.extended("x", Buffer.concat(records)).file(name, data);
    }
    if (as === "0.1") {
      const pax = {
        "GNU.sparse.name": name,
        "GNU.sparse.size": String(size),
        "GNU.sparse.numblocks": String(pairs.length),
        "GNU.sparse.map": pairs.flat().join(","),
      };
      return this.file(`GNUSparseFile.1/${name}`, data, { pax });
    }
    const pax = {
      "GNU.sparse.major": "1",
      "GNU.sparse.minor": "0",
      "GNU.sparse.name": name,
      "GNU.sparse.realsize": String(size),
    };
    const map = Buffer.from([pairs.length, ...pairs.flat(), ""].join("\n"));
    return this.file(`GNUSparseFile.1/${name}`, Buffer.concat([map, padding(map.length), data]), { pax });
  }

  #gnuSparse(name: string, size: number, pairs: readonly (readonly [number, number])[], data: Buffer): this {
    const write = (block: Buffer, at: number, some: typeof pairs) => {
      for (const [index, [offset, bytes]] of some.entries()) {
        octal(offset, 12).copy(block, at + 24 * index);
        octal(bytes, 12).copy(block, at + 24 * index + 12);
      }
    };
    const edit = (block: Buffer) => {
      write(block, 386, pairs.slice(0, 4));
      block[482] = pairs.length > 4 ? 1 : 0;
      octal(size, 12).copy(block, 483);
    };
    this.raw(header(name, "S", { dataSize: data.length, format: "gnu", edit }));
    for (let at = 4; at < pairs.length; at += 21) {
      const block = Buffer.alloc(BLOCK);
      write(block, 0, pairs.slice(at, at + 21));
      block[504] = pairs.length > at + 21 ? 1 : 0;
      this.raw(block);
    }
    return this.raw(data).raw(padding(data.length));
  }

  /** The archive with its end mark. */
  end(): Buffer {
    return Buffer.concat([...this.#parts, Buffer.alloc(2 * BLOCK)]);
  }

  /** The archive without an end mark. */
  unended(): Buffer {
    return Buffer.concat(this.#parts);
  }
}
