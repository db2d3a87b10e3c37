/** The ways in which a layer comes to the disk. Whichever it is, the root must show the same afterwards. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TreeUsage } from "../../src/linux/native.ts";
import { builtNative } from "./native.ts";
import type { Requirement } from "./requires.ts";

export interface LayerDoor {
  readonly name: string;
  readonly needs: readonly Requirement[];
  /** Into the empty directory `root`. */
  readonly apply: (root: string, tar: AsyncIterable<Uint8Array>, signal: AbortSignal) => Promise<TreeUsage>;
}

export const LAYER_DOORS: readonly LayerDoor[] = [
  {
    name: "as a directory",
    needs: [],
    apply: (root, tar, signal) => builtNative().applyLayer(root, tar, signal),
  },
  { name: "as an image", needs: ["erofs"], apply: throughImage },
];

/** What the kernel shows of the image, copied out of it. */
async function throughImage(
  root: string,
  tar: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<TreeUsage> {
  const work = mkdtempSync(join(tmpdir(), "gantry-image-"));
  try {
    const usage = await builtNative().applyLayerImage(work, tar, signal);
    const script = 'mount -t erofs -o ro "$1" /mnt && cd /mnt && cp -a --sparse=always . "$2"';
    const image = join(work, "layer.erofs");
    const { status, stderr } = spawnSync("unshare", ["-m", "sh", "-c", script, "sh", image, root], {
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`cannot look into the image: ${stderr}`);
    return usage;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
