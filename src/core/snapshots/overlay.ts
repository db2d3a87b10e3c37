/**
 * The driver "overlay2": a layer is a directory, `diff` in its place, with whiteouts and opaque marks as overlayfs knows them.
 *
 *     layers/<chainID hex>/{diff,complete}
 *     shifted/<mapping>/<chainID hex>/…      copies of layers with other owners (shifted-layers.ts)
 *     active/<id>/{…,work,upper}             writable layers
 *     empty/                                 the lower directory of a snapshot without parent
 */
import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "../../base/log.ts";
import type { Native, TreeView } from "../../linux/native.ts";
import { backingFilesystem } from "./backing-filesystem.ts";
import { LayeredSnapshots, makeRoot, type ReadingNative } from "./layered-snapshots.ts";
import type { QuotaNative } from "./project-quotas.ts";
import { ShiftedLayers } from "./shifted-layers.ts";
import type { IdShift, OverlayRootfs, Snapshotter, SnapshotUsage } from "./snapshotter.ts";
import type { ActivePlace, LayerPlace, StorageFormat } from "./storage-format.ts";
import { Trash } from "./trash.ts";
import { hasUpper, makeUpper, upperOf } from "./upper-directory.ts";

export type OverlayNative = Pick<
  Native,
  | "removeTree"
  | "treeUsage"
  | "treeFingerprint"
  | "syncFilesystem"
  | "spreadChildren"
  | "shiftTree"
  | "applyLayer"
> &
  ReadingNative &
  QuotaNative;

/** Opens the snapshots below `root` (created when missing) and starts to delete what a crash left half-made. */
export function openOverlaySnapshots(
  root: string,
  native: OverlayNative,
  log: Logger,
  options: readonly string[] = [],
): Snapshotter {
  makeRoot(root);
  mkdirSync(join(root, "empty"), { recursive: true, mode: 0o755 });
  const trash = new Trash(join(root, "trash"), (path) => native.removeTree(path), log);
  const shifted = new ShiftedLayers({ root, trash, native });
  const format = new OverlayFormat(root, native, shifted);
  const snapshots = new LayeredSnapshots({ root, format, trash, native, log, options });
  shifted.recover((chainId) => snapshots.hasLayer(chainId), log);
  return snapshots;
}

class OverlayFormat implements StorageFormat {
  readonly driver = "overlay2";
  readonly #root: string;
  readonly #native: OverlayNative;
  readonly #shifted: ShiftedLayers;

  constructor(root: string, native: OverlayNative, shifted: ShiftedLayers) {
    this.#root = root;
    this.#native = native;
    this.#shifted = shifted;
  }

  makeLayer(path: string): void {
    const diff = join(path, "diff");
    mkdirSync(diff, { mode: 0o755 });
    chmodSync(diff, 0o755);
  }

  applyLayer(path: string, tar: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<SnapshotUsage> {
    return this.#native.applyLayer(join(path, "diff"), tar, signal);
  }

  async settleLayer(): Promise<void> {}

  measureLayer(path: string, signal: AbortSignal): Promise<SnapshotUsage> {
    return this.#native.treeUsage(join(path, "diff"), signal);
  }

  fingerprintLayer(path: string, signal: AbortSignal): Promise<string> {
    return this.#native.treeFingerprint(join(path, "diff"), signal);
  }

  async makeActive(path: string, layers: readonly LayerPlace[], shift: IdShift | undefined): Promise<void> {
    if (shift !== undefined)
      await this.#shifted.ensure(
        layers.map((layer) => ({ chainId: layer.chainId, diff: join(layer.path, "diff") })),
        shift,
      );
    makeUpper(path, shift);
  }

  isComplete(path: string): boolean {
    return hasUpper(path);
  }

  mount({ path, layers, shiftedBy }: ActivePlace): OverlayRootfs {
    const lowers = layers.map((layer) =>
      shiftedBy === undefined ? join(layer.path, "diff") : this.#shifted.diffOf(shiftedBy, layer.chainId),
    );
    return {
      kind: "overlay",
      lowers: lowers.length === 0 ? [join(this.#root, "empty")] : lowers,
      ...upperOf(path),
    };
  }

  view(layers: readonly LayerPlace[]): TreeView {
    return { kind: "overlay", layers: layers.map((layer) => join(layer.path, "diff")) };
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
    const [top = "", ...below] = layers.map(({ path }) => path);
    return {
      ...(below.length > 0 ? { LowerDir: below.map((path) => join(path, "diff")).join(":") } : {}),
      MergedDir: join(top, "merged"),
      UpperDir: join(top, "diff"),
      WorkDir: join(top, "work"),
    };
  }

  forgetLayer(chainId: string): void {
    this.#shifted.remove(chainId);
  }

  status(): readonly (readonly [string, string])[] {
    return [
      ["Backing Filesystem", backingFilesystem(this.#root)],
      ["Supports d_type", "true"],
    ];
  }
}
