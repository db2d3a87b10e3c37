/** Everything about a directory tree that can be compared, as lines of text. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { BigIntStats } from "node:fs";

export interface ListingOptions {
  /** Without: times of directories and links are left out. */
  readonly times?: boolean;
  /** Leave out this name at the top. */
  readonly except?: string;
}

function kindOf(st: BigIntStats): string {
  if (st.isFile()) return "file";
  if (st.isDirectory()) return "dir";
  if (st.isSymbolicLink()) return "link";
  if (st.isFIFO()) return "fifo";
  if (st.isCharacterDevice()) return `char ${st.rdev}`;
  if (st.isBlockDevice()) return `block ${st.rdev}`;
  return "other";
}

function describe(path: string, st: BigIntStats, options: ListingOptions): string {
  const facts = [kindOf(st), (st.mode & 0o7777n).toString(8), `${st.uid}:${st.gid}`];
  if (options.times !== false) facts.push(String(st.mtimeNs));
  if (!st.isDirectory()) facts.push(`links ${st.nlink}`);
  if (st.isSymbolicLink()) facts.push(readlinkSync(path, "latin1"));
  if (st.isFile())
    facts.push(`size ${st.size}`, createHash("sha256").update(readFileSync(path)).digest("hex").slice(0, 16));
  return facts.join(" | ");
}

/** One line per name below `root`, sorted. No link is followed. */
export function listTree(root: string, options: ListingOptions = {}): string[] {
  const lines: string[] = [];
  const walk = (directory: string, prefix: string): void => {
    for (const name of readdirSync(directory, "latin1").sort()) {
      if (prefix === "" && name === options.except) continue;
      const raw = Buffer.concat([Buffer.from(`${directory}/`), Buffer.from(name, "latin1")]);
      const path = raw.toString("utf8");
      const st = lstatSync(path, { bigint: true });
      lines.push(`${prefix}${name} | ${describe(path, st, options)}`);
      if (st.isDirectory()) walk(path, `${prefix}${name}/`);
    }
  };
  walk(root, "");
  return lines;
}

/** The extended attributes of one file, as "name=value", found by letting tar archive it. Needs root. */
export function xattrsOf(directory: string, name: string): string[] {
  const packed = spawnSync(
    "tar",
    ["-C", directory, "--format=pax", "--xattrs", "--xattrs-include=*", "--no-recursion", "-cf", "-", name],
    { maxBuffer: 64 << 20 },
  );
  if (packed.status !== 0) throw new Error(`tar: ${packed.stderr.toString()}`);
  const text = packed.stdout.toString("latin1");
  return [...text.matchAll(/\d+ SCHILY\.xattr\.([^=]+)=([^\n]*)\n/g)]
    .map((match) => `${match[1]}=${match[2]}`)
    .sort();
}
