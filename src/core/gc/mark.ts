/**
 * What of a store nobody needs: decided from one look at everybody who could need something. Nothing is counted from one
 * look to the next, so nothing can be miscounted by a crash.
 */
import type { BlobInfo, PartialBlob } from "../content/content.ts";
import type { Leases } from "../metadata/leases.ts";
import type { CommittedLayer } from "../snapshots/snapshotter.ts";

/** What images hold: see core/images/needed.ts for one of them. */
export interface Needed {
  readonly blobs: ReadonlySet<string>;
  /** Tops of stacks: what they stand on is needed with them. */
  readonly layers: ReadonlySet<string>;
}

export interface StoreView {
  readonly layers: readonly CommittedLayer[];
  readonly blobs: readonly BlobInfo[];
  readonly partials: readonly PartialBlob[];
  /** What the containers' writable layers stand on. */
  readonly activeParents: readonly (string | undefined)[];
  readonly needed: Needed;
  readonly leases: Pick<Leases, "isBlobHeld" | "isLayerHeld">;
  /** Partial blobs that last changed before this are not waited for. */
  readonly oldestPartialMs: number;
}

export interface Garbage {
  /** chainIDs, each before what it stands on. */
  readonly layers: readonly string[];
  readonly blobs: readonly string[];
  readonly partials: readonly string[];
}

export function findGarbage(view: StoreView): Garbage {
  return {
    layers: unneededLayers(view),
    blobs: view.blobs
      .map(({ digest }) => digest)
      .filter((digest) => !view.needed.blobs.has(digest) && !view.leases.isBlobHeld(digest)),
    partials: view.partials
      .filter((partial) => !partial.isBeingWritten && partial.changedAtMs < view.oldestPartialMs)
      .map(({ name }) => name),
  };
}

function unneededLayers({ layers, activeParents, needed, leases }: StoreView): readonly string[] {
  const parents = new Map(layers.map(({ chainId, parent }) => [chainId, parent]));
  const live = new Set<string>();
  const keep = (top: string | undefined): void => {
    for (let at = top; at !== undefined && !live.has(at); at = parents.get(at)) live.add(at);
  };
  for (const chainId of needed.layers) keep(chainId);
  for (const parent of activeParents) keep(parent);
  for (const chainId of parents.keys()) if (leases.isLayerHeld(chainId)) keep(chainId);
  return topmostFirst(
    layers.filter(({ chainId }) => !live.has(chainId)),
    parents,
  );
}

function topmostFirst(
  layers: readonly CommittedLayer[],
  parents: ReadonlyMap<string, string | undefined>,
): readonly string[] {
  const depths = new Map<string, number>();
  const depthOf = (chainId: string): number => {
    const path: string[] = [];
    let at: string | undefined = chainId;
    for (; at !== undefined && !depths.has(at); at = parents.get(at)) path.push(at);
    let depth = at === undefined ? 0 : (depths.get(at) ?? 0);
    for (const id of path.reverse()) depths.set(id, ++depth);
    return depth;
  };
  return layers
    .map(({ chainId }) => ({ chainId, depth: depthOf(chainId) }))
    .toSorted((a, b) => b.depth - a.depth)
    .map(({ chainId }) => chainId);
}
