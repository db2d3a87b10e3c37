/** What containers' roots are to who reads them. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, fail } from "../../base/errors.ts";
import type { TreeDifference, TreeView } from "../../linux/native.ts";
import type { IdShift, RootfsMount } from "./snapshotter.ts";

/** What a container wrote: an upper directory says so itself, of a whole tree it is what differs from its image's. */
export function writtenIn(
  mount: RootfsMount,
  image: TreeView,
  ids: IdShift | undefined,
  mountpoints: readonly string[],
): TreeDifference {
  if (mount.kind === "overlay")
    return {
      now: { kind: "upper", directory: mount.upper },
      before: { kind: "overlay", layers: mount.lowers },
      ids,
      mountpoints,
    };
  if (ids !== undefined)
    throw fail(
      "not_implemented",
      "this storage driver cannot tell what a container with users of its own has changed",
    );
  return { now: { kind: "plain", directory: mount.source }, before: image, mountpoints };
}

/** A container's tree: its upper directory is just the topmost layer to who only reads. */
export function wholeTree(mount: RootfsMount): TreeView {
  if (mount.kind === "bind") return { kind: "plain", directory: mount.source };
  return { kind: "overlay", layers: [mount.upper, ...mount.lowers] };
}

const MAPPING = "mapping";

/** Beside the snapshot, whose files do not say what they would be in the image. */
export function writeMapping(snapshot: string, { uid, gid }: IdShift): void {
  writeFileSync(join(snapshot, MAPPING), JSON.stringify({ uid, gid }), { mode: 0o600 });
}

/** Throws `unavailable` when it was lost. */
export function readMapping(snapshot: string): IdShift {
  try {
    const value: unknown = JSON.parse(readFileSync(join(snapshot, MAPPING), "utf8"));
    if (typeof value === "object" && value !== null && "uid" in value && "gid" in value) {
      const { uid, gid } = value;
      if (typeof uid === "string" && typeof gid === "string") return { uid, gid };
    }
  } catch (error) {
    if (errnoOf(error) !== "ENOENT" && !(error instanceof SyntaxError)) throw error;
  }
  throw fail("unavailable", "the id mapping of the container's files is lost");
}
