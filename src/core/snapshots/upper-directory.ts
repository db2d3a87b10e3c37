/**
 * The writable part of a root that overlayfs merges: `work` and `upper` in a container's directory. `upper` is made last, so its
 * presence says that the rest is there.
 */
import { chmodSync, chownSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { rootIn } from "./shift-key.ts";
import type { IdShift } from "./snapshotter.ts";

/**
 * The root of a container looks like its upper directory, and with Docker that is always 0755 of root, whatever the image's
 * layers say: an image packed from a private directory works for users other than root.
 */
export function makeUpper(path: string, shift: IdShift | undefined): void {
  mkdirSync(join(path, "work"), { mode: 0o700 });
  makeRootDirectory(join(path, "upper"), shift);
}

export function makeRootDirectory(path: string, shift: IdShift | undefined): void {
  mkdirSync(path, { mode: 0o755 });
  if (shift !== undefined) chownSync(path, rootIn(shift.uid), rootIn(shift.gid));
  chmodSync(path, 0o755); // the process's umask had its say in mkdir
}

export function hasUpper(path: string): boolean {
  return existsSync(join(path, "upper"));
}

export function upperOf(path: string): { readonly upper: string; readonly work: string } {
  return { upper: join(path, "upper"), work: join(path, "work") };
}
