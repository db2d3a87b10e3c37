/**
 * How far a log has been sent: a file, known by its inode and its first bytes (inodes are used again), an offset in it, and
 * lines that are not complete. Kept as one line of JSON.
 */
import { createHash } from "node:crypto";
import { existsSync, renameSync, writeFileSync } from "node:fs";
import { readSmallFile, rewriteFile } from "../../../base/rewrite-file.ts";
import { errnoOf } from "../../../base/errors.ts";
import { asList, Fields, parseJson } from "../../../specs/engine/fields.decode.ts";
import { gunzipped } from "../gunzip.ts";
import type { LogFile } from "../log-files.ts";
import type { OpenLine, OpenLines } from "./records.ts";

export interface FileMark {
  readonly ino: bigint;
  readonly headBytes: number;
  /** Of the first so many bytes, hexadecimal. */
  readonly headDigest: string;
}

export interface Position {
  readonly file: FileMark;
  /** Bytes of the plain file. */
  readonly offset: number;
  readonly open: OpenLines;
}

const HEAD_BYTES = 256;
const MAX_BYTES = 4096;

export async function markOf(file: LogFile): Promise<FileMark> {
  const head = await headOf(file);
  return { ino: plainInode(file), headBytes: head.length, headDigest: digestOf(head) };
}

export async function isMarked(file: LogFile, mark: FileMark): Promise<boolean> {
  if (plainInode(file) !== mark.ino) return false;
  const head = await headOf(file);
  return head.length >= mark.headBytes && digestOf(head.subarray(0, mark.headBytes)) === mark.headDigest;
}

function plainInode(file: LogFile): bigint {
  return file.isCompressed ? (file.origin?.ino ?? -1n) : file.ino;
}

async function headOf(file: LogFile): Promise<Buffer> {
  if (!file.isCompressed) {
    const head = Buffer.alloc(HEAD_BYTES);
    const { bytesRead } = await file.handle.read(head, 0, head.length, 0);
    return head.subarray(0, bytesRead);
  }
  try {
    for await (const chunk of gunzipped(file, NEVER)) return Buffer.from(chunk.subarray(0, HEAD_BYTES));
  } catch {
    // A damaged file is nobody's.
  }
  return Buffer.alloc(0);
}

const NEVER = new AbortController().signal;

function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 32);
}

/** On crash: the old position or the new one. */
export function writePosition(path: string, { file, offset, open }: Position): void {
  const text = `${JSON.stringify({ ino: String(file.ino), headBytes: file.headBytes, head: file.headDigest, offset, open })}\n`;
  if (existsSync(path)) {
    rewriteFile(path, text);
    return;
  }
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** Undefined when there is none, "damaged" when it cannot be read. */
export function readPosition(path: string): Position | undefined | "damaged" {
  try {
    const text = readSmallFile(path, MAX_BYTES);
    return text === undefined ? "damaged" : decodePosition(text);
  } catch (error) {
    return errnoOf(error) === "ENOENT" ? undefined : "damaged";
  }
}

function decodePosition(text: string): Position | "damaged" {
  const fields = new Fields(parseJson(text), "");
  const ino = fields.str("ino");
  const [stdout, stderr] = asList(fields.raw("open"), "open", decodeOpenLine);
  if (!/^\d{1,20}$/.test(ino) || stdout === undefined || stderr === undefined) return "damaged";
  return {
    file: { ino: BigInt(ino), headBytes: fields.int("headBytes"), headDigest: fields.str("head") },
    offset: fields.int("offset"),
    open: [stdout, stderr],
  };
}

function decodeOpenLine(value: unknown): OpenLine {
  const fields = new Fields(value, "open");
  return { seconds: fields.int("seconds"), nanos: fields.int("nanos"), ordinal: fields.int("ordinal") };
}
