/** The driver "vfs": every layer and every container's root is a full copy, for file systems on which nothing else works. */
import { mkdirSync } from "node:fs";
import type { Logger } from "../../base/log.ts";
import { CopiedRoots, type CopyNative, type TreeMaker } from "./copied-roots.ts";
import { LayeredSnapshots, makeRoot } from "./layered-snapshots.ts";
import type { Snapshotter } from "./snapshotter.ts";
import { Trash } from "./trash.ts";
import { makeRootDirectory } from "./upper-directory.ts";

/** Opens the snapshots below `root` (created when missing) and starts to delete what a crash left half-made. */
export function openVfsSnapshots(
  root: string,
  native: CopyNative,
  log: Logger,
  options: readonly string[] = [],
): Snapshotter {
  makeRoot(root);
  native.spreadChildren(`${root}/active`); // whole trees, as in staging
  const trash = new Trash(`${root}/trash`, (path) => native.removeTree(path), log);
  const format = new CopiedRoots("vfs", native, directories(native));
  return new LayeredSnapshots({ root, format, trash, native, log, options });
}

/** Where the file system can share blocks between files, a copy takes no room (reflinks). */
function directories(native: Pick<CopyNative, "copyTree">): TreeMaker {
  return {
    make: async (path) => makeRootDirectory(path, undefined),
    copy: async (from, to) => {
      mkdirSync(to, { mode: 0o700 });
      await native.copyTree(from, to);
    },
  };
}
