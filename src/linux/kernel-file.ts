/** Files of the kernel, below /proc and /sys: they have no size to look at, and most are short. */
import { closeSync, openSync, readSync } from "node:fs";

const MOST_ARE_SHORTER = 4096;

/** Undefined when it has more than `most` bytes. Throws the system's error. */
export function readKernelFile(path: string, most: number): string | undefined {
  const descriptor = openSync(path, "r");
  try {
    let buffer = Buffer.allocUnsafe(MOST_ARE_SHORTER);
    for (let used = 0; ; ) {
      const bytes = readSync(descriptor, buffer, used, buffer.length - used, null);
      if (bytes === 0) return buffer.toString("utf8", 0, used);
      used += bytes;
      if (used > most) return undefined;
      if (used === buffer.length) buffer = Buffer.concat([buffer, Buffer.allocUnsafe(used)]);
    }
  } finally {
    closeSync(descriptor);
  }
}
