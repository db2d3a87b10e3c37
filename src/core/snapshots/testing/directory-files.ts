/** The files of snapshots that are made of directories, merged by hand: no root is needed, whiteouts are not known. */
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SnapshotFiles } from "../snapshotter.suite.ts";
import type { RootfsMount } from "../snapshotter.ts";

export const directoryFiles: SnapshotFiles = {
  read: (mount, name) => {
    const found = [mount.upper, ...mount.lowers]
      .map((path) => join(path, name))
      .find((path) => existsSync(path));
    return found === undefined ? undefined : readFileSync(found, "utf8");
  },
  write: (mount, name, text) => writeFileSync(join(writable(mount), name), text),
  rootMode: (mount) => statSync(writable(mount)).mode & 0o7777,
};

function writable(mount: RootfsMount): string {
  return mount.upper;
}
