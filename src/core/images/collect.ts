/**
 * Garbage collection: what nobody needs is found by looking at everybody who could, every time. Nothing is counted, so
 * nothing can be miscounted by a crash.
 */
import { isCategory } from "../../base/errors.ts";
import type { Content } from "../content/content.ts";
import type { Leases } from "../metadata/leases.ts";
import type { CommittedLayer, Snapshotter } from "../snapshots/snapshotter.ts";

export interface Needed {
  readonly blobs: ReadonlySet<string>;
  /** Tops of stacks: what they stand on is needed with them. */
  readonly layers: ReadonlySet<string>;
}

export interface CollectDeps {
  readonly content: Content;
  readonly snapshots: Snapshotter;
  readonly leases: Leases;
  /** Asked again before each deletion, because deletions take time in which images are added. */
  readonly needed: () => Needed;
}

/** Deletes layers, topmost first, and blobs that no image, container or lease needs. Returns the layers' chainIDs. */
export async function collectGarbage(deps: CollectDeps): Promise<readonly string[]> {
  const removed = await collectLayers(deps);
  await collectBlobs(deps);
  return removed;
}

async function collectLayers({ snapshots, leases, needed }: CollectDeps): Promise<string[]> {
  const removed: string[] = [];
  for (const chainId of unneededLayers(snapshots, leases, needed())) {
    // Each may have found a friend while the one before was removed.
    if (!unneededLayers(snapshots, leases, needed()).includes(chainId)) continue;
    try {
      await snapshots.removeLayer(chainId);
      removed.push(chainId);
    } catch (error) {
      if (!isCategory(error, "conflict")) throw error;
    }
  }
  return removed;
}

/** Each before what it stands on. */
function unneededLayers(snapshots: Snapshotter, leases: Leases, needed: Needed): string[] {
  const layers = new Map(snapshots.layers().map((layer) => [layer.chainId, layer]));
  const live = new Set<string>();
  const keep = (top: string | undefined): void => {
    for (let at = top; at !== undefined && !live.has(at); at = layers.get(at)?.parent) live.add(at);
  };
  for (const chainId of needed.layers) keep(chainId);
  for (const { parent } of snapshots.active()) keep(parent);
  for (const chainId of layers.keys()) if (leases.isLayerHeld(chainId)) keep(chainId);
  const dead = [...layers.values()].filter((layer) => !live.has(layer.chainId));
  return dead.toSorted((a, b) => depthOf(b, layers) - depthOf(a, layers)).map((layer) => layer.chainId);
}

function depthOf(layer: CommittedLayer, layers: ReadonlyMap<string, CommittedLayer>): number {
  let depth = 0;
  for (let at = layer.parent; at !== undefined; at = layers.get(at)?.parent) depth++;
  return depth;
}

async function collectBlobs({ content, leases, needed }: CollectDeps): Promise<void> {
  for (const { digest } of content.list()) {
    if (needed().blobs.has(digest) || leases.isBlobHeld(digest)) continue;
    await content.delete(digest);
  }
}
