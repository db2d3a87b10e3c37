/**
 * Which images a policy gives up: observed state in, plan out. Least recently used first, as many as it takes to come
 * from the high mark down to the low one; never one that a container uses, that is pinned, too young, or among the newest
 * of its repository.
 */
import type { BlobInfo } from "../content/content.ts";
import type { CommittedLayer } from "../snapshots/snapshotter.ts";
import { type HeldImage, Holders } from "./holders.ts";
import type { ImagePolicy } from "./image-policy.ts";

export interface ObservedImage extends HeldImage {
  /** Names without tag or digest, of all its names. */
  readonly repositories: readonly string[];
  readonly createdMs: number;
  /** When a container was last started from it or, if never, when it came. */
  readonly lastUsedMs: number;
  /** By a container, running or not. */
  readonly isInUse: boolean;
  /** By a label or a reference of the policy. */
  readonly isPinned: boolean;
}

export interface ObservedStore {
  readonly images: readonly ObservedImage[];
  readonly layers: readonly CommittedLayer[];
  readonly blobs: readonly BlobInfo[];
  readonly heldLayers: readonly (string | undefined)[];
  readonly fileSystem: { readonly totalBytes: number; readonly usedBytes: number };
  readonly nowMs: number;
}

export type Reason = "max-age" | "watermark" | "size";

export interface ImagePlan {
  readonly remove: readonly {
    readonly id: string;
    readonly reason: Reason;
    /** Of layers and blobs that go with it, when those before it have gone. */
    readonly freesBytes: number;
  }[];
  readonly freesBytes: number;
  /** What should be freed and cannot be: every other image is kept for a reason. */
  readonly missingBytes: number;
}

export function planImages(observed: ObservedStore, policy: ImagePolicy): ImagePlan {
  const holders = new Holders(observed);
  const remove: { id: string; reason: Reason; freesBytes: number }[] = [];
  let freed = 0;
  const give = (id: string, reason: Reason): void => {
    const { layerBytes, blobBytes } = holders.release(id);
    remove.push({ id, reason, freesBytes: layerBytes + blobBytes });
    freed += layerBytes + blobBytes;
  };
  const candidates = candidatesOf(observed, policy);
  const isTooOld = ({ lastUsedMs }: ObservedImage): boolean =>
    policy.maxAgeMs !== undefined && lastUsedMs < observed.nowMs - policy.maxAgeMs;
  for (const image of candidates) if (isTooOld(image)) give(image.id, "max-age");
  const due = bytesDue(observed, policy, freed);
  for (const image of candidates) {
    if (freed >= due.bytes) break;
    if (!isTooOld(image)) give(image.id, due.reason);
  }
  return { remove, freesBytes: freed, missingBytes: Math.max(0, due.bytes - freed) };
}

/** How many bytes are to go in all. What went for its age counts, so that the high mark is looked at without it. */
function bytesDue(
  { fileSystem, layers, blobs }: ObservedStore,
  { watermark, size }: ImagePolicy,
  freed: number,
): { readonly bytes: number; readonly reason: Reason } {
  const { totalBytes, usedBytes } = fileSystem;
  const stored =
    layers.reduce((sum, layer) => sum + layer.usage.sizeBytes, 0) +
    blobs.reduce((sum, blob) => sum + blob.sizeBytes, 0);
  const ofDisk =
    watermark !== undefined && usedBytes - freed > (totalBytes * watermark.high) / 100
      ? usedBytes - Math.floor((totalBytes * watermark.low) / 100)
      : 0;
  const ofSize = size !== undefined && stored - freed > size.high ? stored - size.low : 0;
  return ofDisk >= ofSize ? { bytes: ofDisk, reason: "watermark" } : { bytes: ofSize, reason: "size" };
}

/** Least recently used first; of the same age the older image, and then by id, so that a plan can be told again. */
function candidatesOf(observed: ObservedStore, policy: ImagePolicy): readonly ObservedImage[] {
  const newest = newestOfRepositories(observed.images, policy.keepLast);
  return observed.images
    .filter(
      (image) =>
        !image.isInUse &&
        !image.isPinned &&
        !newest.has(image.id) &&
        image.lastUsedMs <= observed.nowMs - policy.minAgeMs,
    )
    .toSorted((a, b) => a.lastUsedMs - b.lastUsedMs || a.createdMs - b.createdMs || (a.id < b.id ? -1 : 1));
}

function newestOfRepositories(images: readonly ObservedImage[], count: number): ReadonlySet<string> {
  const byRepository = new Map<string, ObservedImage[]>();
  for (const image of images)
    for (const repository of new Set(image.repositories)) {
      const list = byRepository.get(repository);
      if (list === undefined) byRepository.set(repository, [image]);
      else list.push(image);
    }
  const newest = new Set<string>();
  for (const list of byRepository.values())
    for (const { id } of list
      .toSorted((a, b) => b.createdMs - a.createdMs || (a.id < b.id ? -1 : 1))
      .slice(0, count))
      newest.add(id);
  return newest;
}
