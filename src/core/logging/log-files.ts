/**
 * The files of one json-file log: PATH is written to, PATH.1 is the one before, up to PATH.(maxFiles-1), each possibly
 * compressed to PATH.N.gz (compress.ts). They are renamed while we look at them, so an opened file is known by its
 * identity, not its name.
 */
import { constants } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { errnoOf, fail } from "../../base/errors.ts";

/** Tells a finished log file from all others, also one that got its inode later. Kept in the gzip header of a compressed one. */
export interface FileIdentity {
  readonly ino: bigint;
  readonly mtimeNs: bigint;
}

export interface LogFile {
  readonly handle: FileHandle;
  readonly isCompressed: boolean;
  readonly ino: bigint;
  /** Of the plain file that this one was compressed from, if it says so. */
  readonly origin: FileIdentity | undefined;
}

const GZIP_HEADER_BYTES = 10;
const GZIP_HAS_COMMENT = 0x10;
const COMMENT_MAX_BYTES = 128;

/** The fixed part of a gzip header with a comment that holds the identity (RFC 1952, section 2.3). */
export function gzipHeader({ ino, mtimeNs }: FileIdentity): Buffer {
  const head = Buffer.from([0x1f, 0x8b, 8, GZIP_HAS_COMMENT, 0, 0, 0, 0, 0, 3]);
  return Buffer.concat([head, Buffer.from(`ino=${ino} mtime=${mtimeNs}\0`, "latin1")]);
}

async function readOrigin(handle: FileHandle): Promise<FileIdentity | undefined> {
  const head = Buffer.alloc(GZIP_HEADER_BYTES + COMMENT_MAX_BYTES);
  await handle.read(head, 0, head.length, 0);
  if (head[3] !== GZIP_HAS_COMMENT) return undefined;
  const [, ino, mtime] = /^ino=(\d+) mtime=(\d+)\0/.exec(head.toString("latin1", GZIP_HEADER_BYTES)) ?? [];
  return ino === undefined || mtime === undefined ? undefined : { ino: BigInt(ino), mtimeNs: BigInt(mtime) };
}

/** Undefined when there is none. Throws `internal` for what is no regular file. */
async function openOne(path: string, isCompressed: boolean): Promise<LogFile | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    if (errnoOf(cause) === "ENOENT") return undefined;
    throw fail("internal", `cannot open log "${path}"`, cause);
  }
  try {
    const facts = await handle.stat({ bigint: true });
    if (!facts.isFile()) throw fail("internal", `log "${path}" is no regular file`);
    const origin = isCompressed ? await readOrigin(handle) : undefined;
    return { handle, isCompressed, ino: facts.ino, origin };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** The compressed file is there before the plain one goes. */
async function openNumbered(path: string): Promise<LogFile | undefined> {
  return (await openOne(path, false)) ?? (await openOne(`${path}.gz`, true));
}

async function isSame(a: LogFile, b: LogFile): Promise<boolean> {
  if (a.isCompressed === b.isCompressed) return a.ino === b.ino;
  const [plain, compressed] = a.isCompressed ? [b, a] : [a, b];
  if (compressed.origin?.ino !== plain.ino) return false;
  return (await plain.handle.stat({ bigint: true })).mtimeNs === compressed.origin.mtimeNs;
}

interface LogNames {
  readonly path: string;
  readonly maxFiles: number;
}

/** With rotations following each other closer than that, a reader cannot keep up anyway. */
const ATTEMPTS = 10;

/**
 * Opens the log's files, oldest first; with `behind`, only those that are newer than it. When a rotation comes in
 * between, it begins anew. The caller closes them.
 */
export async function openLogFiles(log: LogNames, behind?: LogFile): Promise<LogFile[]> {
  for (let attempt = 1; ; attempt++) {
    const files = await openOnce(log, behind);
    if (attempt === ATTEMPTS || (await isNewest(log.path, files.at(-1), behind))) return files;
    await closeAll(files);
  }
}

/**
 * Newest first: one rotation in between then shows a file twice, which is noticed, and hides none. (Several would mix
 * up the order.)
 */
async function openOnce({ path, maxFiles }: LogNames, behind: LogFile | undefined): Promise<LogFile[]> {
  const files: LogFile[] = [];
  try {
    for (let n = 0; n < Math.max(maxFiles, 1); n++) {
      const file = n === 0 ? await openOne(path, false) : await openNumbered(`${path}.${n}`);
      if (file === undefined) continue;
      const isReached = behind !== undefined && (await isSame(file, behind));
      const newer = files[0];
      if (isReached || (newer !== undefined && (await isSame(file, newer)))) await file.handle.close();
      else files.unshift(file);
      if (isReached) break;
    }
    return files;
  } catch (error) {
    await closeAll(files);
    throw error;
  }
}

/** Whether the log's name still stands for the newest of the opened files, or for none as it may after a rotation. */
async function isNewest(
  path: string,
  file: LogFile | undefined,
  behind: LogFile | undefined,
): Promise<boolean> {
  const ino = await inodeOf(path);
  return ino === undefined || ino === (file ?? behind)?.ino;
}

/** The number of the file behind this name now; undefined when there is none. */
export async function inodeOf(path: string): Promise<bigint | undefined> {
  return (await identityOf(path))?.ino;
}

/** Undefined when there is no such file. */
export async function identityOf(path: string): Promise<FileIdentity | undefined> {
  try {
    const { ino, mtimeNs } = await stat(path, { bigint: true });
    return { ino, mtimeNs };
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

export async function closeAll(files: readonly LogFile[]): Promise<void> {
  for (const { handle } of files) await handle.close();
}
