/** Whether this kernel mounts EROFS images from their files, found out by a `gantry-shim tree` child that does it. */
import { fail } from "../base/errors.ts";
import { runProgram } from "../base/process.ts";

const LIMITS = { timeoutMs: 20_000, maxBytes: 4 << 10 };

/** See `Native.tryImageMount`. */
export async function tryImageMount(shim: string, path: string): Promise<void> {
  const { exitCode, stderr } = await runProgram(shim, ["tree", "try-image", path], LIMITS);
  if (exitCode === 0) return;
  const said = stderr.trim().replace(/^tree: /, "");
  throw fail("unavailable", said === "" ? `cannot mount an image: exit status ${exitCode}` : said);
}
