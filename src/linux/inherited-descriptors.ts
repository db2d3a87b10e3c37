import { readlinkSync } from "node:fs";
import { errnoOf, fail } from "../base/errors.ts";

/**
 * What the interpreter opens before our first line: its event loop. A number that the caller promised and did not fill is
 * taken by one of these, the lowest free one. The close-on-exec flag tells nothing: Bun gives it to everything from 4 up.
 */
const OWN = ["anon_inode:[eventpoll]", "anon_inode:[eventfd]"];

/**
 * Throws `invalid_argument` unless the caller handed each of these descriptors to this program. To be called before it opens
 * any that stay. (An event loop of the caller's own cannot be handed on.)
 */
export function checkInherited(
  descriptors: readonly number[],
  isInherited: (fd: number) => boolean = isInheritedHere,
): void {
  for (const fd of descriptors)
    if (!isInherited(fd))
      throw fail(
        "invalid_argument",
        `descriptor ${fd} is not open: please check that all of the ${descriptors.length} to be preserved are`,
      );
}

function isInheritedHere(fd: number): boolean {
  const target = targetOf("self", fd);
  return target !== undefined && !OWN.includes(target);
}

/** Whether another process has it open. */
export function isOpenIn(pid: number, fd: number): boolean {
  return targetOf(pid, fd) !== undefined;
}

function targetOf(pid: number | "self", fd: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
