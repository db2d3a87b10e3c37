/**
 * Files that matter: written aside, synced, renamed, and the directory synced — so after a power cut there is the old
 * file or the new one, whole.
 */
import { closeSync, fsyncSync, openSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

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

/** Writes a new file and syncs it. `EEXIST` when it is there already. */
export async function writeDurably(path: string, data: string | Uint8Array, mode = 0o600): Promise<void> {
  const handle = await open(path, "wx", mode);
  try {
    await handle.writeFile(data);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

let counter = 0;

/** Replaces or creates `path` in one step. What is written aside is `path` + ".tmp-…", for start-up to delete. */
export async function replaceFile(path: string, data: string | Uint8Array, mode = 0o600): Promise<void> {
  const aside = `${path}.tmp-${process.pid}-${counter++}`;
  try {
    await writeDurably(aside, data, mode);
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}
