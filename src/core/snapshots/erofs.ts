/**
 * The driver "erofs": a layer is one file, `layer.erofs`, an EROFS image that is written while the layer's tar streams in
 * (docs/decisions/0010). The container's own mount namespace mounts it, and overlayfs merges what is mounted.
 *
 *     layers/<chainID hex>/{layer.erofs,complete}
 *     active/<id>/{…,work,upper}             writable layers
 *     empty/                                 the lower directory of a snapshot without parent
 */
import { createHash } from "node:crypto";
import { createReadStream, existsSync, mkdirSync } from "node:fs";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Native, TreeView } from "../../linux/native.ts";
import { backingFilesystem } from "./backing-filesystem.ts";
import { LayeredSnapshots, makeRoot, type ReadingNative } from "./layered-snapshots.ts";
import type { QuotaNative } from "./project-quotas.ts";
import type { IdShift, OverlayRootfs, Snapshotter, SnapshotUsage } from "./snapshotter.ts";
import type { ActivePlace, LayerPlace, StorageFormat } from "./storage-format.ts";
import { Trash } from "./trash.ts";
import { hasUpper, makeUpper, upperOf } from "./upper-directory.ts";

export type ErofsNative = Pick<
  Native,
  "removeTree" | "treeUsage" | "syncFilesystem" | "spreadChildren" | "applyLayerImage" | "tryImageMount"
> &
  ReadingNative &
  QuotaNative;

const IMAGE = "layer.erofs";

/**
 * Opens the snapshots below `root` (created when missing) and starts to delete what a crash left half-made. `unavailable` on
 * a kernel that cannot mount images from files: 6.12 is the first that can.
 */
export async function openErofsSnapshots(
  root: string,
  native: ErofsNative,
  log: Logger,
  options: readonly string[] = [],
): Promise<Snapshotter> {
  makeRoot(root);
  mkdirSync(join(root, "empty"), { recursive: true, mode: 0o755 });
  const trash = new Trash(join(root, "trash"), (path) => native.removeTree(path), log);
  const format = new ErofsFormat(root, native);
  const snapshots = new LayeredSnapshots({ root, format, trash, native, log, options });
  await probe(snapshots, native);
  return snapshots;
}

async function probe(snapshots: Snapshotter, native: ErofsNative): Promise<void> {
  const scratch = snapshots.makeScratch();
  try {
    await native.applyLayerImage(scratch.directory, nothing(), new AbortController().signal);
    await native.tryImageMount(join(scratch.directory, IMAGE));
  } catch (error) {
    throw fail(
      "unavailable",
      "prerequisites for driver not satisfied: erofs (the kernel must mount images from files: Linux 6.12, CONFIG_EROFS_FS_BACKED_BY_FILE)",
      error,
    );
  } finally {
    scratch.discard();
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

class ErofsFormat implements StorageFormat {
  readonly driver = "erofs";
  readonly #root: string;
  readonly #native: ErofsNative;

  constructor(root: string, native: ErofsNative) {
    this.#root = root;
    this.#native = native;
  }

  /** The image is made by who writes it: an empty file would be none. */
  makeLayer(): void {}

  applyLayer(path: string, tar: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<SnapshotUsage> {
    return this.#native.applyLayerImage(path, tar, signal);
  }

  async settleLayer(path: string): Promise<void> {
    if (existsSync(join(path, IMAGE))) return;
    await this.#native.applyLayerImage(path, nothing(), new AbortController().signal);
  }

  /** The image is packed; but it must be there. */
  async measureLayer(path: string): Promise<undefined> {
    await access(join(path, IMAGE));
  }

  /** The same tar always makes the same image. */
  async fingerprintLayer(path: string, signal: AbortSignal): Promise<string> {
    const hash = createHash("sha256");
    for await (const bytes of createReadStream(join(path, IMAGE), { signal })) hash.update(bytes);
    return hash.digest("hex");
  }

  async makeActive(path: string, _: readonly LayerPlace[], shift: IdShift | undefined): Promise<void> {
    if (shift !== undefined)
      throw fail(
        "unavailable",
        "the storage driver erofs has no layers with other owners: userns-remap needs a file system below the data root that can be mounted with mapped ids",
      );
    makeUpper(path, shift);
  }

  isComplete(path: string): boolean {
    return hasUpper(path);
  }

  mount({ path, layers }: ActivePlace): OverlayRootfs {
    const lowers = layers.length === 0 ? [join(this.#root, "empty")] : layers.map(imageOf);
    return { kind: "overlay", images: layers.length > 0, lowers, ...upperOf(path) };
  }

  view(layers: readonly LayerPlace[]): TreeView {
    return { kind: "overlay", layers: layers.map(imageOf) };
  }

  async usage({ path }: ActivePlace, signal: AbortSignal): Promise<SnapshotUsage> {
    return await this.#native.treeUsage(join(path, "upper"), signal);
  }

  describeActive(place: ActivePlace): Readonly<Record<string, string>> {
    const { lowers, upper, work } = this.mount(place);
    const MergedDir = join(place.path, "merged");
    return { LowerDir: lowers.join(":"), MergedDir, UpperDir: upper, WorkDir: work };
  }

  describeLayer(layers: readonly LayerPlace[]): Readonly<Record<string, string>> {
    const [top = "", ...below] = layers.map(imageOf);
    return { ...(below.length > 0 ? { LowerDir: below.join(":") } : {}), UpperDir: top };
  }

  forgetLayer(): void {}

  status(): readonly (readonly [string, string])[] {
    return [
      ["Backing Filesystem", backingFilesystem(this.#root)],
      ["Supports d_type", "true"],
    ];
  }
}

function imageOf({ path }: LayerPlace): string {
  return join(path, IMAGE);
}
