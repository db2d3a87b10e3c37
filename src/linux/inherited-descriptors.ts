import { readFileSync } from "node:fs";
import { errnoOf, fail } from "../base/errors.ts";

/** open(2), octal as in /proc/PID/fdinfo. */
const O_CLOEXEC = 0o2000000;

/**
 * Throws `invalid_argument` unless the caller handed each of these descriptors to this program. One that was opened here
 * (an event loop's, say) took a free number and is close-on-exec, which an inherited one cannot be.
 */
export function checkInherited(descriptors: readonly number[]): void {
  for (const fd of descriptors)
    if (!isInherited(fd))
      throw fail(
        "invalid_argument",
        `descriptor ${fd} is not open: please check that all of the ${descriptors.length} to be preserved are`,
      );
}

function isInherited(fd: number): boolean {
  try {
    const flags =
      /^flags:\s*0?([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"))?.[1] ?? "0";
    return (Number.parseInt(flags, 8) & O_CLOEXEC) === 0;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw error;
  }
}
