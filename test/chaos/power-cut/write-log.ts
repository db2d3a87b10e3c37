/**
 * What was written to a disk, in order: a log in the format of the kernel's dm-log-writes (include/uapi has none; it is told
 * in drivers/md/dm-log-writes.c), which QEMU's blklogwrites writes, too. All numbers are little-endian:
 *
 *     sector 0   magic 8, version 8, number of entries 8, bytes of a sector 4
 *     then       entries: first sector 8, number of sectors 8, flags 8, length of a mark's text 8, filled up to a sector;
 *                followed by the bytes that were written, which a discard does not have
 *
 * The number of entries is brought up to date now and then only: the file's end is where the log ends.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

export interface LoggedWrite {
  /** Where its entry ends in the log: who saw the log that long saw this one done. */
  readonly endsAt: number;
  /** Everything before it had reached the disk when it began. */
  readonly flushes: boolean;
  /** It had reached the disk when it was answered. */
  readonly isForced: boolean;
  readonly offset: number;
  readonly length: number;
  /** Where its bytes are in the log; undefined: zeroes, by a discard. */
  readonly bytesAt: number | undefined;
}

export interface WriteLog {
  readonly sectorBytes: number;
  readonly writes: readonly LoggedWrite[];
}

const MAGIC = 0x6a736677736872n;
const VERSION = 1n;
const SUPER_BYTES = 28;
const HEADER_BYTES = 32;
const FLUSH = 1n;
const FUA = 2n;
const DISCARD = 4n;
const MARK = 8n;
const KNOWN = FLUSH | FUA | DISCARD | MARK;

/** Throws when it is no such log, or when its last entry is not all there. */
export function readWriteLog(path: string): WriteLog {
  const fd = openSync(path, "r");
  try {
    const end = fstatSync(fd).size;
    const sectorBytes = readSuper(readAt(fd, 0, SUPER_BYTES));
    const writes: LoggedWrite[] = [];
    for (let at = sectorBytes; at < end; ) {
      const write = readEntry(readAt(fd, at, HEADER_BYTES), at, sectorBytes);
      if (write.endsAt > end) throw new Error(`the entry at byte ${at} of the log is cut off`);
      writes.push(write);
      at = write.endsAt;
    }
    return { sectorBytes, writes };
  } finally {
    closeSync(fd);
  }
}

function readSuper(bytes: Buffer): number {
  const [magic, version] = [bytes.readBigUInt64LE(0), bytes.readBigUInt64LE(8)];
  if (magic !== MAGIC || version !== VERSION)
    throw new Error(`no log of writes: magic ${magic.toString(16)}, version ${version}`);
  const sectorBytes = bytes.readUInt32LE(24);
  if (sectorBytes < 512 || (sectorBytes & (sectorBytes - 1)) !== 0)
    throw new Error(`a log with sectors of ${sectorBytes} bytes`);
  return sectorBytes;
}

function readEntry(header: Buffer, at: number, sectorBytes: number): LoggedWrite {
  const number = (index: number): number => {
    const value = header.readBigUInt64LE(8 * index);
    if (value > BigInt(Math.floor(Number.MAX_SAFE_INTEGER / sectorBytes)))
      throw new Error(`the entry at byte ${at} of the log has the number ${value}`);
    return Number(value);
  };
  const flags = header.readBigUInt64LE(16);
  if ((flags & ~KNOWN) !== 0n) throw new Error(`the entry at byte ${at} of the log has the flags ${flags}`);
  const isDiscard = (flags & DISCARD) !== 0n;
  const length = number(1) * sectorBytes;
  const bytesAt = at + sectorBytes;
  return {
    endsAt: bytesAt + (isDiscard ? 0 : length),
    flushes: (flags & FLUSH) !== 0n,
    isForced: (flags & FUA) !== 0n,
    offset: number(0) * sectorBytes,
    length,
    bytesAt: isDiscard ? undefined : bytesAt,
  };
}

function readAt(fd: number, at: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  const read = readSync(fd, buffer, 0, length, at);
  if (read < length) throw new Error(`the log ends in the middle of what begins at byte ${at}`);
  return buffer;
}
