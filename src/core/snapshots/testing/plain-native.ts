/**
 * The native part's tree functions in plain Node, for tests without root: they unpack files, directories and links, and
 * know no owners, no whiteouts and no protection.
 */
import {
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { cp, rm } from "node:fs/promises";
import { fail } from "../../../base/errors.ts";
import type { TreeChange, TreeDifference, TreeUsage } from "../../../linux/native.ts";
import { dirname, join } from "node:path";
import { readTar } from "../../../base/tar-reader.ts";
import { sha256Of } from "../../../specs/oci-image/digest.ts";
import type { CopyNative } from "../copied-roots.ts";
import type { OverlayNative } from "../overlay.ts";

export class PlainTrees implements OverlayNative, CopyNative {
  syncs = 0;
  /** Layers applied so far. */
  applied = 0;
  /** What removeTree waits for, so that a test can look between "removed" and "deleted". */
  gate: Promise<void> = Promise.resolve();

  async removeTree(path: string): Promise<void> {
    await this.gate;
    await rm(path, { recursive: true, force: true });
  }

  treeUsage(path: string, _signal: AbortSignal): Promise<TreeUsage> {
    return Promise.resolve(usageOf(path));
  }

  async treeFingerprint(path: string): Promise<string> {
    return fingerprintOf(path);
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

  async copyTree(from: string, to: string): Promise<TreeUsage> {
    await cp(from, to, { recursive: true });
    return usageOf(to);
  }

  async mergeLayer(layer: string, to: string): Promise<void> {
    await cp(layer, to, { recursive: true });
  }

  async applyLayer(
    directory: string,
    tar: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<TreeUsage> {
    this.applied++;
    for await (const entry of readTar(tar, { maxEntries: 1000, maxHeaderBytes: 1 << 20 })) {
      signal.throwIfAborted();
      const path = join(directory, entry.name);
      mkdirSync(dirname(path), { recursive: true });
      if (entry.kind === "directory") mkdirSync(path, { recursive: true });
      else if (entry.kind === "symlink") symlinkSync(entry.linkName, path);
      else if (entry.kind === "hardlink") linkSync(join(directory, entry.linkName), path);
      else {
        const parts: Uint8Array[] = [];
        for await (const bytes of entry.content) parts.push(Buffer.from(bytes));
        writeFileSync(path, Buffer.concat(parts));
      }
    }
    return usageOf(directory);
  }

  /** What spreadChildren was called for. */
  /** Which directories belong to which project, and the limits of projects; without `quotas` there are none. */
  quotas = false;
  readonly projects = new Map<string, number>();
  readonly limits = new Map<number, number>();
  /** What others have of projects. */
  readonly inodes = new Map<number, number>();

  enforcesProjectLimits(): boolean {
    return this.quotas;
  }

  projectInodes(_directory: string, project: number): number {
    return this.inodes.get(project) ?? 0;
  }

  limitProject(_directory: string, project: number, bytes: number): void {
    this.limits.set(project, bytes);
  }

  projectOf(directory: string): number {
    return this.projects.get(directory) ?? 0;
  }

  joinProject(directory: string, project: number): void {
    this.projects.set(directory, project);
  }

  readonly spread: string[] = [];

  spreadChildren(path: string): boolean {
    this.spread.push(path);
    return true;
  }

  syncFilesystem(_path: string): Promise<void> {
    this.syncs++;
    return Promise.resolve();
  }
}

function usageOf(path: string): TreeUsage {
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

function fingerprintOf(path: string): string {
  const entries = readdirSync(path, { withFileTypes: true }).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const lines = entries.map((entry) => {
    const below = join(path, entry.name);
    const { mode } = lstatSync(below);
    if (entry.isDirectory()) return `${entry.name}/ ${mode} ${fingerprintOf(below)}`;
    return `${entry.name} ${mode} ${entry.isSymbolicLink() ? readlinkSync(below) : sha256Of(readFileSync(below))}`;
  });
  return sha256Of(lines.join("\n"));
}
