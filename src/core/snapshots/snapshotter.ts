/**
 * Layered root filesystems. A *committed* snapshot is one image layer applied on its parents, named by chainID and
 * never changed again; an *active* snapshot is a container's writable layer on top of one, named by container id.
 *
 * Nothing here mounts: `mount()` only tells what to mount, and the container's own init does it inside its own mount
 * namespace. So a snapshotter can neither leak a mount nor be blocked by one.
 *
 * On crash: a committed snapshot exists when its "complete" mark does; anything without one is garbage that
 * `recover()` deletes at the next start.
 */
export type RootfsMount = {
  readonly kind: "overlay";
  /** Absolute host paths, topmost layer first; at least one. */
  readonly lowers: readonly string[];
  readonly upper: string;
  readonly work: string;
};

export interface SnapshotUsage {
  readonly sizeBytes: number;
  readonly inodes: number;
}

export interface Snapshotter {
  /** The storage driver's name as Docker spells it, e.g. "overlay2". */
  readonly driver: string;

  /** Whether the layer is committed. Answers from memory. */
  hasLayer(chainId: string): boolean;

  /**
   * Makes the committed snapshot `chainId` on top of `parent` (undefined = base). `apply` fills the given empty host
   * directory; when it returns the content is synced and marked complete. Calls for the same chainID share one run;
   * an existing layer makes it a no-op. When `apply` throws, nothing is left.
   */
  createLayer(
    chainId: string,
    parent: string | undefined,
    apply: (directory: string) => Promise<SnapshotUsage>,
  ): Promise<void>;

  /** Deletes a committed snapshot. `conflict` while something stands on it; a missing one is fine. */
  removeLayer(chainId: string): Promise<void>;

  layers(): readonly {
    readonly chainId: string;
    readonly parent: string | undefined;
    readonly usage: SnapshotUsage;
  }[];

  /** Makes the active snapshot `id` on top of `parent` (undefined = an empty root). `conflict` if it exists. */
  prepare(id: string, parent: string | undefined): Promise<void>;

  /** What init must mount for the active snapshot. `not_found` if it is gone. */
  mount(id: string): RootfsMount;

  /** Forgets the active snapshot at once and deletes its files in the background. A missing one is fine. */
  remove(id: string): Promise<void>;

  /** Writable bytes of an active snapshot. */
  usage(id: string, signal: AbortSignal): Promise<SnapshotUsage>;

  /** GraphDriver.Data of inspect. */
  describe(id: string): Readonly<Record<string, string>>;

  /** Resolves when background deletions have ended: for tests, shutdown and the leak check. */
  settled(): Promise<void>;
}
