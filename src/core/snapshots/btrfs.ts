/** The driver "btrfs": layers and containers' roots are subvolumes, and a copy is a snapshot, which costs nothing. */
import { existsSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { fail } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Native } from "../../linux/native.ts";
import { CopiedRoots, type CopyNative, type TreeMaker } from "./copied-roots.ts";
import { LayeredSnapshots, makeRoot } from "./layered-snapshots.ts";
import type { Snapshotter } from "./snapshotter.ts";
import { Trash } from "./trash.ts";

export type BtrfsNative = CopyNative &
  Pick<Native, "createSubvolume" | "snapshotSubvolume" | "deleteSubvolume">;

/** statfs(2) of btrfs. */
const BTRFS_MAGIC = 0x91_23_68_3e;

/** Names of subvolumes in a directory of ours. */
const SUBVOLUMES = ["root", "new"];

/**
 * Opens the snapshots below `root` (created when missing) and starts to delete what a crash left half-made. `unavailable` on
 * any other file system.
 */
export function openBtrfsSnapshots(
  root: string,
  native: BtrfsNative,
  log: Logger,
  options: readonly string[] = [],
): Snapshotter {
  makeRoot(root);
  if (statfsSync(root).type !== BTRFS_MAGIC)
    throw fail("unavailable", "prerequisites for driver not satisfied (wrong filesystem?): btrfs");
  const trash = new Trash(join(root, "trash"), (path) => removeWithSubvolumes(path, native), log);
  const format = new CopiedRoots("btrfs", native, subvolumes(native), () => [["Btrfs", ""]]);
  return new LayeredSnapshots({ root, format, trash, native, log, options });
}

function subvolumes(native: BtrfsNative): TreeMaker {
  return {
    make: (path) => native.createSubvolume(path),
    copy: (from, to) => native.snapshotSubvolume(from, to),
  };
}

/** A subvolume goes at once, whatever is in it. */
async function removeWithSubvolumes(path: string, native: BtrfsNative): Promise<void> {
  for (const name of SUBVOLUMES) {
    const subvolume = join(path, name);
    if (existsSync(subvolume)) await native.deleteSubvolume(subvolume);
  }
  await native.removeTree(path);
}
