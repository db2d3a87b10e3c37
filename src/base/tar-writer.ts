/** Writes tar archives that this program makes itself, and those of tests: small ones in memory, others piece by piece. */
import { BLOCK, FIELD, type Field, paddedSize } from "./tar-format.ts";

export interface TarItem {
  readonly name: string;
  /** Default "file". */
  readonly kind?: "file" | "directory" | "symlink" | "hardlink";
  readonly content?: Uint8Array | string;
  readonly linkName?: string;
  /** Default 0755 for directories, else 0644. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Unix seconds, default 0: the same input always gives the same bytes. */
  readonly mtimeSeconds?: number;
}

const TYPES = { file: "0", hardlink: "1", symlink: "2", directory: "5" } as const;

/** A whole archive with its end mark. Names and targets beyond ustar's 100 bytes go into PAX records. */
export function writeTar(items: readonly TarItem[]): Buffer {
  const parts = items.flatMap((item) => encodeItem(item));
  return Buffer.concat([...parts, tarEnd()]);
}

/** The archive's end mark. */
export function tarEnd(): Buffer {
  return Buffer.alloc(2 * BLOCK);
}

/** The header of a file or directory with a name of at most 100 bytes; its content follows, and then tarPadding. */
export function tarHeader(item: TarItem, sizeBytes: number): Buffer {
  return headerOf(item, TYPES[item.kind ?? "file"], sizeBytes);
}

export function tarPadding(sizeBytes: number): Buffer {
  return Buffer.alloc(paddedSize(sizeBytes) - sizeBytes);
}

function encodeItem(item: TarItem): Buffer[] {
  const content = Buffer.from(item.content ?? "");
  const parts: Buffer[] = [];
  const records = longRecords(item);
  if (records.length > 0) {
    const body = Buffer.concat(records);
    parts.push(headerOf({ name: "PaxHeaders/0" }, "x", body.length), padded(body));
  }
  parts.push(headerOf(item, TYPES[item.kind ?? "file"], content.length), padded(content));
  return parts;
}

function headerOf(item: TarItem, type: string, sizeBytes: number): Buffer {
  const header = Buffer.alloc(BLOCK);
  const text = (field: Field, value: string): void => {
    header.write(value, field[0], field[1], "utf8");
  };
  const octal = (field: Field, value: number): void => {
    text(field, `${value.toString(8).padStart(field[1] - 1, "0")}\0`);
  };
  text(FIELD.name, item.name);
  octal(FIELD.mode, item.mode ?? (item.kind === "directory" ? 0o755 : 0o644));
  octal(FIELD.uid, item.uid ?? 0);
  octal(FIELD.gid, item.gid ?? 0);
  octal(FIELD.size, sizeBytes);
  octal(FIELD.mtime, item.mtimeSeconds ?? 0);
  text(FIELD.type, type);
  text(FIELD.linkName, item.linkName ?? "");
  text(FIELD.magic, "ustar\0");
  text(FIELD.version, "00");
  text(FIELD.checksum, " ".repeat(8));
  let sum = 0;
  for (const byte of header) sum += byte;
  text(FIELD.checksum, `${sum.toString(8).padStart(6, "0")}\0 `);
  return header;
}

function longRecords(item: TarItem): Buffer[] {
  const records: Buffer[] = [];
  if (Buffer.byteLength(item.name) > FIELD.name[1]) records.push(paxRecord("path", item.name));
  if (Buffer.byteLength(item.linkName ?? "") > FIELD.linkName[1])
    records.push(paxRecord("linkpath", item.linkName ?? ""));
  return records;
}

/** The length in front counts itself, so it is found by trying. */
function paxRecord(key: string, value: string): Buffer {
  const rest = ` ${key}=${value}\n`;
  let length = Buffer.byteLength(rest);
  while (Buffer.byteLength(`${length}${rest}`) !== length) length++;
  return Buffer.from(`${length}${rest}`);
}

function padded(content: Buffer): Buffer {
  return Buffer.concat([content, tarPadding(content.length)]);
}
