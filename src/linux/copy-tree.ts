/** Copies of trees, made by a `gantry-shim tree` child. */
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
  return await run(shim, ["shift", maps.uid, maps.gid, from, to], "cannot copy a layer for other users");
}

/** See `Native.copyTree`. */
export async function copyTree(shim: string, from: string, to: string): Promise<TreeUsage> {
  return await run(shim, ["copy", from, to], "cannot copy a layer");
}

/** See `Native.mergeLayer`. */
export async function mergeLayer(shim: string, layer: string, to: string): Promise<void> {
  await run(shim, ["merge", layer, to], "cannot merge a layer with those below");
}

async function run(shim: string, args: readonly string[], failure: string): Promise<TreeUsage> {
  const { exitCode, stdout, stderr } = await runProgram(shim, ["tree", ...args], LIMITS);
  const match = /^\{"sizeBytes":(\d{1,15}),"inodes":(\d{1,15})\}\n$/.exec(stdout);
  if (exitCode === 0 && match !== null) return { sizeBytes: Number(match[1]), inodes: Number(match[2]) };
  const said = stderr.trim().replace(/^tree: /, "");
  throw fail(
    exitCode === TREE_AT_FAULT ? "invalid_argument" : "internal",
    `${failure}: ${said === "" ? `exit status ${exitCode}` : said}`,
  );
}
