/** The files of snapshots that are made of directories, merged by hand: no root is needed, whiteouts are not known. */
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SnapshotFiles } from "../snapshotter.suite.ts";
import type { OverlayRootfs, RootfsMount } from "../snapshotter.ts";

export const directoryFiles: SnapshotFiles = {
  read: (mount, name) => {
    const found = directoriesOf(mount)
      .map((path) => join(path, name))
      .find((path) => existsSync(path));
    return found === undefined ? undefined : readFileSync(found, "utf8");
  },
  write: (mount, name, text) => writeFileSync(join(topOf(mount), name), text),
  rootMode: (mount) => statSync(topOf(mount)).mode & 0o7777,
};

/** Topmost first. */
export function directoriesOf(mount: RootfsMount): readonly string[] {
  return mount.kind === "bind" ? [mount.source] : [mount.upper, ...mount.lowers];
}

function topOf(mount: RootfsMount): string {
  return mount.kind === "bind" ? mount.source : mount.upper;
}

/** For tests of drivers that have nothing else. */
export function overlayOf(mount: RootfsMount): OverlayRootfs {
  if (mount.kind !== "overlay") throw new Error("no overlay");
  return mount;
}
