/** The ways in which a layer comes to the disk. Whichever it is, the root must show the same afterwards. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PipedChild } from "../../src/base/piped-child.ts";
import { containerFiles } from "../../src/linux/container-files-child.ts";
import type { TreeUsage } from "../../src/linux/native.ts";
import { builtNative, NATIVE_PATHS } from "./native.ts";
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

/** Archives that are no layers, as `cp` unpacks them. */
export interface CopyDoor extends Omit<LayerDoor, "apply"> {
  readonly apply: (root: string, tar: AsyncIterable<Uint8Array>, signal: AbortSignal) => Promise<void>;
  /** Into a directory of the host's: links from the root lead out of it. */
  readonly isHosts: boolean;
}

export function isLayerDoor(door: LayerDoor | CopyDoor): door is LayerDoor {
  return !("isHosts" in door);
}

export const COPY_DOORS: readonly CopyDoor[] = [
  { name: "copied into a container", needs: [], isHosts: false, apply: intoContainer },
  { name: "copied to this host", needs: [], isHosts: true, apply: ontoHost },
];

async function intoContainer(
  directory: string,
  tar: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const tree = { kind: "stopped", root: { directory }, readOnly: false, binds: [] } as const;
  const options = { keepsKinds: false, ids: undefined };
  await using putting = await containerFiles(NATIVE_PATHS.shim).put(tree, "/", options, signal);
  await putting.unpack(tar);
}

async function ontoHost(
  directory: string,
  tar: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const words = ["tree", "receive", "--owners", directory];
  await using child = new PipedChild(NATIVE_PATHS.shim, words, "cannot copy", signal);
  await child.feed(tar);
  await child.end();
}

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
