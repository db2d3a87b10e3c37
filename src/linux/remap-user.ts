/** The host's side of `userns-remap`: the files of subordinate ids, and the user whose they are. */
import { closeSync, openSync, readSync } from "node:fs";
import { errnoOf, fail, messageOf } from "../base/errors.ts";
import { runProgram } from "../base/process.ts";
import type { IdRange } from "./subordinate-ids.ts";

const MAX_BYTES = 4 << 20;
const LIMITS = { timeoutMs: 30_000, maxBytes: 1 << 20 };

/** /etc/subuid or /etc/subgid; "" when it is not there. Throws `invalid_argument` for one that is too large. */
export function readRanges(kind: "uid" | "gid", directory = "/etc"): string {
  const path = `${directory}/sub${kind}`;
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return "";
    throw fail("unavailable", `cannot read "${path}": ${messageOf(error)}`, error);
  }
  try {
    const buffer = Buffer.allocUnsafe(MAX_BYTES + 1);
    let used = 0;
    for (;;) {
      const bytes = readSync(descriptor, buffer, used, buffer.length - used, null);
      used += bytes;
      if (used > MAX_BYTES) throw fail("invalid_argument", `"${path}" is larger than ${MAX_BYTES} bytes`);
      if (bytes === 0) return buffer.toString("utf8", 0, used);
    }
  } finally {
    closeSync(descriptor);
  }
}

/**
 * A system user who cannot log in, with a group of his name, and the ranges that he has to get. Killed in between he may
 * be there without ranges, which the next start says by name. useradd(8), usermod(8)
 */
export async function makeUser(
  name: string,
  { uid, gid }: { readonly uid?: IdRange; readonly gid?: IdRange },
): Promise<void> {
  await must("useradd", ["--system", "--user-group", "--no-create-home", "--shell", "/bin/false", name]);
  const ranges = [
    ...(uid === undefined ? [] : ["--add-subuids", textOf(uid)]),
    ...(gid === undefined ? [] : ["--add-subgids", textOf(gid)]),
  ];
  if (ranges.length > 0) await must("usermod", [...ranges, name]);
}

function textOf({ first, count }: IdRange): string {
  return `${first}-${first + count - 1}`;
}

async function must(program: string, args: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await runProgram(program, args, LIMITS);
  if (exitCode !== 0) throw fail("unavailable", `"${program}" failed with ${exitCode}: ${stderr.trim()}`);
}
