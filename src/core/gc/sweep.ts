/** Garbage collection: deletes what mark.ts finds. */
import { isCategory } from "../../base/errors.ts";
import type { Content } from "../content/content.ts";
import type { Leases } from "../metadata/leases.ts";
import type { Snapshotter } from "../snapshots/snapshotter.ts";
import { findGarbage, type Garbage, type Needed } from "./mark.ts";

export interface CollectDeps {
  readonly content: Content;
  readonly snapshots: Snapshotter;
  readonly leases: Leases;
  /** Asked again before each deletion, because deletions take time in which images are added: to be cheap when repeated. */
  readonly needed: () => Needed;
  readonly partialMaxAgeMs: number;
}

/** Deletes layers, topmost first, and blobs that no image, container or lease needs. Returns what is gone. */
export async function collectGarbage(deps: CollectDeps): Promise<Garbage> {
  const garbage = findGarbage({
    layers: deps.snapshots.layers(),
    blobs: deps.content.list(),
    partials: deps.content.partials(),
    activeParents: deps.snapshots.active().map(({ parent }) => parent),
    needed: deps.needed(),
    leases: deps.leases,
    oldestPartialMs: Date.now() - deps.partialMaxAgeMs,
  });
  return {
    layers: await collectLayers(deps, garbage.layers),
    blobs: await collectBlobs(deps, garbage.blobs),
    partials: await collectPartials(deps, garbage.partials),
  };
}

/** A layer that found a friend meanwhile is one that is needed or held now, or on which something stands now. */
async function collectLayers(deps: CollectDeps, chainIds: readonly string[]): Promise<string[]> {
  const { snapshots, leases, needed } = deps;
  const removed: string[] = [];
  for (const chainId of chainIds) {
    if (needed().layers.has(chainId) || leases.isLayerHeld(chainId)) continue;
    if (await unlessConflict(() => snapshots.removeLayer(chainId))) removed.push(chainId);
  }
  return removed;
}

async function collectBlobs(deps: CollectDeps, digests: readonly string[]): Promise<string[]> {
  const { content, leases, needed } = deps;
  const removed: string[] = [];
  for (const digest of digests) {
    if (needed().blobs.has(digest) || leases.isBlobHeld(digest)) continue;
    await content.delete(digest);
    removed.push(digest);
  }
  return removed;
}

async function collectPartials({ content }: CollectDeps, names: readonly string[]): Promise<string[]> {
  const removed: string[] = [];
  for (const name of names) if (await unlessConflict(() => content.discard(name))) removed.push(name);
  return removed;
}

async function unlessConflict(remove: () => Promise<void>): Promise<boolean> {
  try {
    await remove();
    return true;
  } catch (error) {
    if (isCategory(error, "conflict")) return false;
    throw error;
  }
}
