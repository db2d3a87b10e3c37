/** The native part's tree functions in plain Node, for tests without root: same promises, no protection. */
import { lstatSync, readdirSync } from "node:fs";
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "../../../base/errors.ts";
import type { TreeChange, TreeDifference, TreeUsage } from "../../../linux/native.ts";
import type { OverlayNative } from "../overlay.ts";

export class PlainTrees implements OverlayNative {
  syncs = 0;
  /** What removeTree waits for, so that a test can look between "removed" and "deleted". */
  gate: Promise<void> = Promise.resolve();

  async removeTree(path: string): Promise<void> {
    await this.gate;
    await rm(path, { recursive: true, force: true });
  }

  treeUsage(path: string, _signal: AbortSignal): Promise<TreeUsage> {
    return Promise.resolve(usageOf(path));
  }

  shifts = 0;
  /** What shiftTree fails with, after half of its work. */
  shiftFailure: Error | undefined;

  /** A copy whose files belong to whoever runs the test. */
  async shiftTree(from: string, to: string): Promise<TreeUsage> {
    this.shifts++;
    await cp(from, to, { recursive: true });
    if (this.shiftFailure !== undefined) throw this.shiftFailure;
    return usageOf(to);
  }

  /** Reading trees needs mounts: tests of that are integration tests. */
  packRoot(): AsyncIterable<Uint8Array> {
    throw fail("not_implemented", "trees are not packed here");
  }

  /** The differences that were asked for. */
  readonly differences: TreeDifference[] = [];

  async *packDiff(difference: TreeDifference): AsyncGenerator<Uint8Array> {
    await Promise.resolve();
    this.differences.push(difference);
    yield Buffer.alloc(1024);
  }

  treeChanges(): AsyncIterable<TreeChange> {
    throw fail("not_implemented", "trees are not compared here");
  }

  syncFilesystem(_path: string): Promise<void> {
    this.syncs++;
    return Promise.resolve();
  }
}

export function usageOf(path: string): TreeUsage {
  let sizeBytes = 0;
  let inodes = 1;
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const below = join(path, entry.name);
    if (entry.isDirectory()) {
      const usage = usageOf(below);
      sizeBytes += usage.sizeBytes;
      inodes += usage.inodes;
    } else {
      sizeBytes += lstatSync(below).size;
      inodes++;
    }
  }
  return { sizeBytes, inodes };
}
