import { readFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../base/errors.ts";

/** v2 counts in memory.events, v1 (since Linux 4.13) in memory.oom_control. */
const FILES = ["memory.events", "memory.oom_control"];

/** How many processes of the cgroup the kernel has killed for want of memory; undefined when nobody counts, or any more. */
export function readOomKills(dirs: readonly string[]): bigint | undefined {
  for (const dir of dirs)
    for (const file of FILES) {
      const count = /^oom_kill (\d{1,18})$/m.exec(readKnob(join(dir, file)))?.[1];
      if (count !== undefined) return BigInt(count);
    }
  return undefined;
}

function readKnob(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENODEV") return "";
    throw error;
  }
}
