/** Subvolumes of btrfs, made and deleted by a `gantry-shim tree` child. */
import { fail } from "../base/errors.ts";
import { runProgram } from "../base/process.ts";

const LIMITS = { timeoutMs: 60_000, maxBytes: 4 << 10 };

/** See `Native.createSubvolume` and those after it. */
export async function subvolume(
  shim: string,
  verb: "create" | "snapshot" | "delete",
  ...paths: readonly string[]
): Promise<void> {
  const { exitCode, stderr } = await runProgram(shim, ["tree", "subvolume", verb, ...paths], LIMITS);
  if (exitCode === 0) return;
  const said = stderr.trim().replace(/^tree: /, "");
  throw fail("internal", said === "" ? `cannot ${verb} a subvolume: exit status ${exitCode}` : said);
}
