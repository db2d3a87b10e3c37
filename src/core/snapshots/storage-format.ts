/**
 * What tells one storage driver from another: how a layer and a container's root lie on the disk. All the rest – names, marks,
 * what stands on what, crashes – is the same for all of them (layered-snapshots.ts, layer-store.ts).
 */
import type { TreeView } from "../../linux/native.ts";
import type { IdShift, RootfsMount, SnapshotUsage } from "./snapshotter.ts";

export interface LayerPlace {
  readonly chainId: string;
  /** The directory of the committed layer. */
  readonly path: string;
}

/** Where a container's root is, and what it stands on. */
export interface ActivePlace {
  readonly path: string;
  /** Topmost first. */
  readonly layers: readonly LayerPlace[];
  /** Key of the mapping that the files' owners come from. */
  readonly shiftedBy: string | undefined;
}

export interface StorageFormat {
  /** As Docker spells it. */
  readonly driver: string;

  /** Makes an empty layer in the new directory `path`. */
  makeLayer(path: string): void;

  /** Once, and in a child, as `StagedLayer.apply` says. */
  applyLayer(path: string, tar: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<SnapshotUsage>;

  /** Finishes what may be committed then; `parent` is the directory of the layer below, of which nothing may be changed. */
  settleLayer(path: string, parent: string | undefined): Promise<void>;

  /**
   * What the files of a settled layer come to, as its mark says it; undefined when the files say something else by the
   * format's nature. ENOENT when there are none.
   */
  measureLayer(path: string, signal: AbortSignal): Promise<SnapshotUsage | undefined>;

  /** The same for two settled layers on the same parent only when all their files are the same. ENOENT when there are none. */
  fingerprintLayer(path: string, signal: AbortSignal): Promise<string>;

  /** Makes a container's root in the new directory `path`, complete only when `isComplete` says so. */
  makeActive(path: string, layers: readonly LayerPlace[], shift: IdShift | undefined): Promise<void>;

  isComplete(path: string): boolean;

  mount(place: ActivePlace): RootfsMount;

  /** The tree of a committed layer and all below it, topmost first. */
  view(layers: readonly LayerPlace[]): TreeView;

  /** What the container added. */
  usage(place: ActivePlace, signal: AbortSignal): Promise<SnapshotUsage>;

  /** GraphDriver.Data, with Docker's keys. */
  describeActive(place: ActivePlace): Readonly<Record<string, string>>;
  describeLayer(layers: readonly LayerPlace[]): Readonly<Record<string, string>>;

  /** The layer is gone: so is whatever the format made of it. */
  forgetLayer(chainId: string): void;

  /** DriverStatus of `info`. */
  status(): readonly (readonly [string, string])[];
}
