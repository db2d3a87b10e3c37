/** A host without mounts and images: directories are real, what is mounted is a list. */
import { readdirSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { FileSystemMount } from "../../../linux/attach-file-system.ts";
import type { Filled, FillSource } from "../../../linux/fill-volume.ts";
import type { TreeUsage } from "../../../linux/native.ts";
import type { VolumeHost } from "../local-driver.ts";

export class FakeVolumeHost implements VolumeHost {
  readonly mounted = new Map<string, FileSystemMount>();
  /** By path, the files that the image has there; undefined = something that is no directory. */
  readonly image = new Map<string, readonly string[] | undefined>();
  readonly filled: FillSource[] = [];
  syncs = 0;
  /** Called when a fill is half done. */
  inTheMiddle: (() => void) | undefined;

  removeTree(path: string): Promise<void> {
    return rm(path, { recursive: true, force: true });
  }

  treeUsage(path: string): Promise<TreeUsage> {
    const inodes = readdirSync(path).length;
    return Promise.resolve({ sizeBytes: inodes * 10, inodes });
  }

  syncFilesystem(): Promise<void> {
    this.syncs++;
    return Promise.resolve();
  }

  async fill(source: FillSource, to: string): Promise<Filled> {
    this.filled.push(source);
    if (!this.image.has(source.path)) return { found: "nothing", sizeBytes: 0 };
    const files = this.image.get(source.path);
    if (files === undefined) return { found: "other", sizeBytes: 0 };
    if (readdirSync(to).length > 0) return { found: "full", sizeBytes: 0 };
    await Promise.resolve();
    for (const file of files) {
      writeFileSync(join(to, file), "from the image");
      this.inTheMiddle?.();
    }
    return { found: "directory", sizeBytes: files.length * 10 };
  }

  attach(mount: FileSystemMount, directory: string): Promise<void> {
    this.mounted.set(directory, mount);
    return Promise.resolve();
  }

  detach(directory: string): Promise<void> {
    this.mounted.delete(directory);
    return Promise.resolve();
  }

  mountedDirectories(): ReadonlySet<string> {
    return new Set(this.mounted.keys());
  }

  addressOf(host: string): Promise<string> {
    return Promise.resolve(host === "server.example" ? "192.0.2.7" : "192.0.2.8");
  }
}
