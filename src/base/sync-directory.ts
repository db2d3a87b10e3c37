/** Making directory entries durable, the last step of writing a file that matters: aside, sync, rename, and this. */
import { closeSync, fsyncSync, openSync } from "node:fs";
import { open } from "node:fs/promises";

/** Makes the entries of a directory durable: names created in it, renamed into it or removed from it. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The same, for the few places that run before anything else does. */
export function syncDirectorySync(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
