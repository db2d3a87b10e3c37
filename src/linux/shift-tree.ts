/** Copies of trees with other owners, made by a `gantry-shim tree shift` child. */
import { fail } from "../base/errors.ts";
import { runProgram } from "../base/process.ts";
import type { TreeUsage } from "./native.ts";

/** A layer of many gigabytes on a slow disk. */
const LIMITS = { timeoutMs: 30 * 60_000, maxBytes: 64 << 10 };

/** Exit status when the tree itself cannot be copied so. */
const TREE_AT_FAULT = 1;

/** See `Native.shiftTree`. */
export async function shiftTree(
  shim: string,
  from: string,
  to: string,
  maps: { readonly uid: string; readonly gid: string },
): Promise<TreeUsage> {
  const { exitCode, stdout, stderr } = await runProgram(
    shim,
    ["tree", "shift", maps.uid, maps.gid, from, to],
    LIMITS,
  );
  const match = /^\{"sizeBytes":(\d{1,15}),"inodes":(\d{1,15})\}\n$/.exec(stdout);
  if (exitCode === 0 && match !== null) return { sizeBytes: Number(match[1]), inodes: Number(match[2]) };
  const said = stderr.trim().replace(/^tree: /, "");
  throw fail(
    exitCode === TREE_AT_FAULT ? "invalid_argument" : "internal",
    `cannot copy a layer for other users: ${said === "" ? `exit status ${exitCode}` : said}`,
  );
}
