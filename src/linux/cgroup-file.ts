/** Reading control files: capped, since the kernel says no size beforehand; gone is an answer. */
import { open } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, fail } from "../base/errors.ts";

/** The longest are lists of processes and statistics for each device. */
const MAX_BYTES = 1 << 20;
const CHUNK_BYTES = 8192;

/**
 * The text of the first of these directories' files of that name; undefined when none has it, or the cgroup went away.
 * Also when the file can only be written, or is switched off (EOPNOTSUPP: pressure, or processes of a threaded cgroup).
 */
export async function readControlFile(dirs: readonly string[], name: string): Promise<string | undefined> {
  for (const dir of dirs) {
    const text = await readCapped(join(dir, name));
    if (text !== undefined) return text;
  }
  return undefined;
}

export const NOTHING_TO_READ: ReadonlySet<string | undefined> = new Set([
  "ENOENT",
  "ENODEV",
  // EOPNOTSUPP has the same number, and which of the two names it gets is up to the runtime.
  "EOPNOTSUPP",
  "ENOTSUP",
  "EINVAL",
]);

async function readCapped(path: string): Promise<string | undefined> {
  try {
    await using file = await open(path, "r");
    const chunks: Buffer[] = [];
    for (let used = 0; used <= MAX_BYTES; ) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, null);
      if (bytesRead === 0) return Buffer.concat(chunks).toString("latin1");
      chunks.push(buffer.subarray(0, bytesRead));
      used += bytesRead;
    }
  } catch (error) {
    if (NOTHING_TO_READ.has(errnoOf(error))) return undefined;
    throw error;
  }
  throw fail("internal", `"${path}" has more than ${MAX_BYTES} bytes`);
}

/** A counter of 64 bits; "max" is the greatest. Undefined for what is none. */
export function parseCounter(text: string | undefined): bigint | undefined {
  const word = text?.trim();
  if (word === "max") return (1n << 64n) - 1n;
  return word !== undefined && /^\d{1,20}$/.test(word) ? BigInt(word) : undefined;
}

/** "key value" lines; others are skipped. */
export function parseCounters(text: string | undefined): Map<string, bigint> {
  const counters = new Map<string, bigint>();
  for (const line of (text ?? "").split("\n")) {
    const [key = "", word] = line.split(" ");
    const value = parseCounter(word);
    if (value !== undefined) counters.set(key, value);
  }
  return counters;
}

/** "0-2,7" → 0 1 2 7; empty for anything else, and for more than a kernel can have. */
export function parseNumberList(text: string | undefined): number[] {
  const numbers: number[] = [];
  for (const part of (text ?? "").trim().split(",")) {
    const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part) ?? [];
    for (let n = Number(first); n <= Number(last); n++) numbers.push(n);
  }
  return numbers;
}
