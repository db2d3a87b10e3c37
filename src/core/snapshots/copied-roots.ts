/**
 * Drivers that need no overlayfs: a layer is a whole tree, `root` in its place, made of a copy of its parent's; so is a
 * container's root. What a copy is – files one by one (vfs.ts) or a subvolume's snapshot (btrfs.ts) – is the driver's.
 *
 *     layers/<chainID hex>/{root,complete}
 *     staging/<random>/{diff,root}           `diff` takes the layer as for overlayfs, until its parent is known
 *     active/<id>/{…,root}
 */
import { chmodSync, chownSync, existsSync, mkdirSync, renameSync } from "node:fs";
import { access } from "node:fs/promises";
import { join } from "node:path";
import type { Native, TreeView } from "../../linux/native.ts";
import type { ReadingNative } from "./layered-snapshots.ts";
import type { QuotaNative } from "./project-quotas.ts";
import { rootIn } from "./shift-key.ts";
import type { BindRootfs, IdShift, SnapshotUsage } from "./snapshotter.ts";
import type { ActivePlace, LayerPlace, StorageFormat } from "./storage-format.ts";

export type CopyNative = Pick<
  Native,
  | "removeTree"
  | "treeUsage"
  | "treeFingerprint"
  | "applyLayer"
  | "copyTree"
  | "mergeLayer"
  | "shiftTree"
  | "syncFilesystem"
  | "spreadChildren"
> &
  ReadingNative &
  QuotaNative;

export interface TreeMaker {
  /** Makes the new tree `path`, empty. */
  make(path: string): Promise<void>;
  /** Makes the new tree `to`, of all that is in the tree `from`. */
  copy(from: string, to: string): Promise<void>;
}

export class CopiedRoots implements StorageFormat {
  readonly driver: string;
  readonly #native: CopyNative;
  readonly #trees: TreeMaker;
  readonly #status: () => readonly (readonly [string, string])[];

  constructor(
    driver: string,
    native: CopyNative,
    trees: TreeMaker,
    status: () => readonly (readonly [string, string])[] = () => [],
  ) {
    this.driver = driver;
    this.#native = native;
    this.#trees = trees;
    this.#status = status;
  }

  makeLayer(path: string): void {
    const diff = join(path, "diff");
    mkdirSync(diff, { mode: 0o755 });
    chmodSync(diff, 0o755);
  }

  applyLayer(path: string, tar: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<SnapshotUsage> {
    return this.#native.applyLayer(join(path, "diff"), tar, signal);
  }

  async settleLayer(path: string, parent: string | undefined): Promise<void> {
    const root = join(path, "root");
    if (parent === undefined) await this.#trees.make(root);
    else await this.#trees.copy(join(parent, "root"), root);
    await this.#native.mergeLayer(join(path, "diff"), root);
    await this.#native.removeTree(join(path, "diff"));
  }

  /** There is all that is below it in it, too; but it must be there. */
  async measureLayer(path: string): Promise<undefined> {
    await access(join(path, "root"));
  }

  fingerprintLayer(path: string, signal: AbortSignal): Promise<string> {
    return this.#native.treeFingerprint(join(path, "root"), signal);
  }

  /** Under its own name only when it is whole. */
  async makeActive(path: string, [top]: readonly LayerPlace[], shift: IdShift | undefined): Promise<void> {
    const unfinished = join(path, "new");
    if (top === undefined || shift !== undefined) await this.#trees.make(unfinished);
    if (top !== undefined && shift !== undefined)
      await this.#native.shiftTree(join(top.path, "root"), unfinished, shift);
    else if (top !== undefined) await this.#trees.copy(join(top.path, "root"), unfinished);
    else if (shift !== undefined) chownSync(unfinished, rootIn(shift.uid), rootIn(shift.gid));
    chmodSync(unfinished, 0o755); // as with overlayfs, whatever the image's layers say
    renameSync(unfinished, join(path, "root"));
  }

  isComplete(path: string): boolean {
    return existsSync(join(path, "root"));
  }

  mount({ path }: ActivePlace): BindRootfs {
    return { kind: "bind", source: join(path, "root") };
  }

  view([top]: readonly LayerPlace[]): TreeView {
    if (top === undefined) return { kind: "overlay", layers: [] };
    return { kind: "plain", directory: join(top.path, "root") };
  }

  /** Beyond the layers' own. */
  async usage({ path, layers: [top] }: ActivePlace, signal: AbortSignal): Promise<SnapshotUsage> {
    const all = await this.#native.treeUsage(join(path, "root"), signal);
    if (top === undefined) return all;
    const below = await this.#native.treeUsage(join(top.path, "root"), signal);
    return {
      sizeBytes: Math.max(0, all.sizeBytes - below.sizeBytes),
      inodes: Math.max(0, all.inodes - below.inodes),
    };
  }

  describeActive(): Readonly<Record<string, string>> {
    return {};
  }

  describeLayer(): Readonly<Record<string, string>> {
    return {};
  }

  forgetLayer(): void {}

  status(): readonly (readonly [string, string])[] {
    return this.#status();
  }
}
