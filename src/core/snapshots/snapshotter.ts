import type { TreeChange, TreeView } from "../../linux/native.ts";
import type { LayerCare } from "./layer-care.ts";

/**
 * Layered root filesystems. A *committed* snapshot is one image layer applied on its parents, named by chainID and
 * never changed again; an *active* snapshot is a container's writable layer on top of one, named by container id.
 *
 * Nothing here mounts: `mount()` only tells what to mount, and the container's own init does it inside its own mount
 * namespace. So a snapshotter can neither leak a mount nor be blocked by one.
 *
 * On crash: a committed snapshot exists when its "complete" mark does; anything without one is garbage that the next
 * start deletes. An active snapshot that was prepared is kept for its container, whatever else is missing: it holds
 * what a user wrote.
 */
export type RootfsMount = (OverlayRootfs | BindRootfs) & {
  /** The files have the owners of this mapping (`IdShift`, `keyOf`), not the image's; absent = the image's. */
  readonly shiftedBy?: string;
};

/** Layers, and a writable directory on top of them. */
export interface OverlayRootfs {
  readonly kind: "overlay";
  /** Absolute host paths, topmost layer first; at least one. */
  readonly lowers: readonly string[];
  /** Lowers that are files hold EROFS images. */
  readonly images?: boolean;
  /** "" = nothing can be written. */
  readonly upper: string;
  readonly work: string;
}

/** All of it in one directory. */
export interface BindRootfs {
  readonly kind: "bind";
  readonly source: string;
}

/** The owners that files are to have on disk: for users and groups, lines of "id in the image, id on disk, count". */
export interface IdShift {
  readonly uid: string;
  readonly gid: string;
}

export interface SnapshotUsage {
  readonly sizeBytes: number;
  readonly inodes: number;
}

/** A layer being filled, whose place in a stack need not be known yet. One that is never filled is an empty layer. */
export interface StagedLayer {
  /**
   * Applies an uncompressed OCI layer tar: at most once. `invalid_argument`, naming the entry, for an archive that is
   * damaged or leaves its root; then what is here is half-done, good for discard() alone. It reads no further than it
   * must, so what follows the archive's end mark may be left in `tar`, and is done with a piece of it when it asks for the next.
   * Ends soon after `signal` fires.
   */
  apply(tar: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<SnapshotUsage>;
  /** Forgets it and deletes its files in the background. Fine twice, and after it was committed. */
  discard(): void;
}

/** An empty directory to try something in, on the file system where the snapshots are. */
export interface Scratch {
  readonly directory: string;
  /** Deletes it in the background; the next start does if nobody did. */
  discard(): void;
}

export interface NamedLayer {
  readonly staged: StagedLayer;
  readonly chainId: string;
  /** undefined = base. */
  readonly parent: string | undefined;
  readonly usage: SnapshotUsage;
}

export interface CommittedLayer {
  readonly chainId: string;
  readonly parent: string | undefined;
  readonly usage: SnapshotUsage;
}

/** The most layers a stack may have, as with Docker's overlay2. */
export const MAX_LAYERS = 125;

export interface Snapshotter {
  /** The storage driver's name as Docker spells it, e.g. "overlay2". */
  readonly driver: string;

  /** For `system check`. */
  readonly care: LayerCare;

  /** Whether the layer is committed. Answers from memory. */
  hasLayer(chainId: string): boolean;

  /**
   * Makes the committed snapshot `chainId` on top of `parent` (undefined = base). `fill` applies the layer to what it is
   * given; when it returns the content is synced and marked complete. Calls for the same chainID wait for each other, so
   * that one that succeeds serves all; an existing layer makes it a no-op. When `fill` throws, nothing is left and the
   * next caller's turn comes. `not_found` when the parent is missing, `invalid_argument` "max depth exceeded" beyond
   * MAX_LAYERS.
   */
  createLayer(
    chainId: string,
    parent: string | undefined,
    fill: (staged: StagedLayer) => Promise<SnapshotUsage>,
  ): Promise<void>;

  /** An empty place to apply a layer to before its parents are known. Discard it unless commitLayers() took it. */
  stageLayer(): StagedLayer;

  /**
   * Makes committed snapshots of staged layers, each parent before its children, with one sync for all. One that
   * exists already is discarded. On failure none or the first few are committed, and the rest is still staged.
   */
  commitLayers(layers: readonly NamedLayer[]): Promise<void>;

  /**
   * Deletes a committed snapshot: it is gone when the call returns, its files later. `conflict` while something stands
   * on it; a missing one is fine.
   */
  removeLayer(chainId: string): Promise<void>;

  layers(): readonly CommittedLayer[];

  /**
   * How many bytes a container may write that asks for this with `--storage-opt`, or with nothing has what the daemon's own options
   * say; 0 = as many as there is room for. Throws in the words of Docker's driver for what it does not know, or cannot do here.
   */
  sizeOf(options: Readonly<Record<string, string>>): number;

  /**
   * Makes the active snapshot `id` on top of `parent` (undefined = an empty root). `conflict` if it exists. With `shift`
   * it stands on copies of the layers with other owners, which are made when they are missing and go with their layers;
   * `invalid_argument`, naming the file, when an owner has no place in the mapping. `sizeBytes`, from `sizeOf`, limits what is its
   * own until it is removed: the file system keeps to it, whether there is a daemon or not.
   */
  prepare(id: string, parent: string | undefined, shift?: IdShift, sizeBytes?: number): Promise<void>;

  /** What `prepare` made is there after a power cut, too; of what was written to it that is up to who wrote it. */
  persist(id: string): Promise<void>;

  /** How `mount` names a mapping. */
  keyOf(shift: IdShift): string;

  /** All active snapshots: for whoever knows which containers exist, and to tell what layers are in use. */
  active(): readonly { readonly id: string; readonly parent: string | undefined }[];

  /** What init must mount for the active snapshot. `not_found` if it is gone, `unavailable` if a layer below it is. */
  mount(id: string): RootfsMount;

  /** Forgets the active snapshot at once and deletes its files in the background. A missing one is fine. */
  remove(id: string): Promise<void>;

  /** Writable bytes of an active snapshot. `not_found` if it is gone. */
  usage(id: string, signal: AbortSignal): Promise<SnapshotUsage>;

  /**
   * What an active snapshot has that its layers have not, as an uncompressed OCI layer tar. `mountpoints`: relative paths
   * that are left out while nothing but a mount point is there (`TreeDifference`). These three may run while a container
   * writes, end with their iteration, leave nothing mounted, and throw `not_found` when the snapshot is gone.
   */
  diff(id: string, mountpoints: readonly string[], signal: AbortSignal): AsyncIterable<Uint8Array>;

  /** The same as a list. */
  changes(id: string, mountpoints: readonly string[], signal: AbortSignal): AsyncIterable<TreeChange>;

  /** All that is in an active snapshot, layers included, as a tar. */
  export(id: string, signal: AbortSignal): AsyncIterable<Uint8Array>;

  /** The tree of a committed snapshot, or of none; good as long as somebody holds the layer. `not_found`. */
  view(chainId: string | undefined): TreeView;

  /** How one committed tree differs from another. The caller holds both. */
  compare(
    now: string | undefined,
    before: string | undefined,
    signal: AbortSignal,
  ): AsyncIterable<TreeChange>;

  /** GraphDriver.Data of inspect: of an active snapshot, or else of a committed one. `not_found` if it is neither. */
  describe(id: string): Readonly<Record<string, string>>;

  /** DriverStatus of `info`: what the storage driver has to say of itself. */
  status(): readonly (readonly [string, string])[];

  makeScratch(): Scratch;

  /** Resolves when background deletions have ended: for tests, shutdown and the leak check. */
  settled(): Promise<void>;
}
