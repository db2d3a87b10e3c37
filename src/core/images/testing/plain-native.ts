/**
 * The native part in plain Node, for tests without root: it unpacks files, directories and links, knows no owners, no
 * whiteouts and no protection.
 */
import { linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { readTar } from "../../../base/tar-reader.ts";
import type { TreeUsage } from "../../../linux/native.ts";
import { PlainTrees, usageOf } from "../../snapshots/testing/plain-native.ts";

export class PlainNative extends PlainTrees {
  /** Layers applied so far. */
  applied = 0;

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
        for await (const bytes of entry.content) parts.push(bytes);
        writeFileSync(path, Buffer.concat(parts));
      }
    }
    return usageOf(directory);
  }
}
