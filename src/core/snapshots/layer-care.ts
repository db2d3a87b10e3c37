/**
 * Looking after committed layers: finding what the disk has done to them since they were committed, and putting it right.
 * For `system check`; nothing else has a reason to doubt a layer.
 */
import type { NamedLayer, SnapshotUsage, StagedLayer } from "./snapshotter.ts";

export interface LayerCare {
  /**
   * What is wrong with a committed layer as it lies on the disk, undefined = nothing was found: its mark, what it stands on,
   * and how much it holds. Reads directories, not files. A layer that is gone meanwhile has nothing wrong.
   */
  check(chainId: string, signal: AbortSignal): Promise<string | undefined>;
  /**
   * The same with everything that is in it: `fill` applies the layer once more, beside, and the two are compared by names,
   * kinds, owners, modes, times, attributes and bytes. Leaves nothing. Throws what `fill` throws.
   */
  compare(
    chainId: string,
    fill: (staged: StagedLayer) => Promise<SnapshotUsage>,
    signal: AbortSignal,
  ): Promise<string | undefined>;
  /**
   * Puts a staged layer in the place of a committed one; what stands on that stands on this from now on. Nobody may have
   * the layer mounted: a container that runs would lose its files. Afterwards the old files are gone, or on failure the new.
   */
  replace(layer: NamedLayer): Promise<void>;
  /** What lies among the snapshots and is none: absolute paths. Nothing that is being made. */
  strangers(): readonly string[];
  /** Deletes a stranger in the background. */
  discardStranger(path: string): void;
}
