/**
 * The tar format, as far as reading and writing share it: ustar headers of 512 bytes (POSIX.1-1988), PAX records
 * (POSIX.1-2001, "pax Interchange Format"), GNU long names and base-256 numbers (GNU tar manual, "Basic Tar Format").
 */
export const BLOCK = 512;

/** Offset and length of the header's fields that anybody here looks at. */
export const FIELD = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  linkName: [157, 100],
  magic: [257, 6],
  version: [263, 2],
  prefix: [345, 155],
} as const;

export type Field = readonly [offset: number, length: number];

/** Whether these 512 bytes carry the checksum of a tar header: the one strong sign that something is a tar archive. */
export function isTarHeader(block: Uint8Array): boolean {
  if (block.length < BLOCK) return false;
  const stored = readOctal(block, FIELD.checksum);
  if (stored === undefined) return false;
  const [at, length] = FIELD.checksum;
  let unsigned = 0;
  let signed = 0;
  for (let i = 0; i < BLOCK; i++) {
    const byte = i >= at && i < at + length ? 0x20 : (block[i] ?? 0);
    unsigned += byte;
    // Some old tars summed signed characters.
    signed += byte > 127 ? byte - 256 : byte;
  }
  return stored === unsigned || stored === signed;
}

export function isZeroBlock(block: Uint8Array): boolean {
  for (let i = 0; i < BLOCK; i++) if (block[i] !== 0) return false;
  return true;
}

/** Octal digits between optional spaces, ended by NUL or space; undefined = something else. An empty field is 0. */
export function readOctal(block: Uint8Array, [offset, length]: Field): number | undefined {
  const text = Buffer.from(block.buffer, block.byteOffset + offset, length).toString("latin1");
  const digits = /^ *([0-7]*)[ \0]*$/.exec(text)?.[1];
  if (digits === undefined) return undefined;
  return digits === "" ? 0 : Number.parseInt(digits, 8);
}

/** Bytes on disk of a member's content. */
export function paddedSize(sizeBytes: number): number {
  return Math.ceil(sizeBytes / BLOCK) * BLOCK;
}
