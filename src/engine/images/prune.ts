/**
 * POST /images/prune: images without a tag or, with `dangling=false`, all that no container uses. Docker would still take
 * the tags of an image that is in use, all but one, by way of its own bookkeeping; here an image that a container uses is
 * left alone, as the command says it is.
 */
import type { Content } from "../../core/content/content.ts";
import { Holders } from "../../core/gc/holders.ts";
import type { Image } from "../../core/images/images.ts";
import type { Snapshotter } from "../../core/snapshots/snapshotter.ts";
import type { Filters } from "../../specs/engine/container.ts";
import { booleanFilter } from "../../specs/engine/filters.decode.ts";
import type { ImageDeleteItem } from "../../specs/engine/image.ts";
import type { Container } from "../containers/container.ts";
import { snapshotsOf } from "../containers/mounted-images.ts";
import { prunableContainer } from "../containers/prune.ts";
import { announcePrune } from "../system/announce-prune.ts";
import { pruneFilter } from "../system/prune-filter.ts";
import { announceImage } from "./announce.ts";
import { familiar, imagesInUse, layerSizes } from "./list.ts";
import { mountedImages } from "./mounts.ts";
import { deleteImage, type RemoveImageDeps } from "./remove.ts";

export const PRUNE_IMAGE_FILTERS = ["dangling", "label", "label!", "until"] as const;

export interface PruneImagesDeps extends RemoveImageDeps {
  readonly content: Pick<Content, "list">;
  readonly snapshots: Pick<Snapshotter, "layers" | "active">;
}

export interface ImagesPruneReport {
  readonly ImagesDeleted: readonly ImageDeleteItem[] | null;
  readonly SpaceReclaimed: number;
}

/** An aborted prune reports what it has done. */
export async function pruneImages(
  deps: PruneImagesDeps,
  filters: Filters,
  signal: AbortSignal,
): Promise<ImagesPruneReport> {
  const deleted: ImageDeleteItem[] = [];
  const sizes = layerSizes(deps.snapshots);
  for (const image of prunable(deps.images, deps.containers(), filters)) {
    if (signal.aborted) break;
    // Others are served between one image and the next.
    if (imagesInUse(deps.containers()).has(image.id)) continue;
    for (const _ of namesOf(image))
      announceImage(deps.events, image.id, "untag", image.id, image.config?.Labels);
    deleted.push(...untagged(image), ...(await deleteImage(deps, image)));
  }
  const report = reportOf(deleted, sizes);
  announcePrune(deps.events, "image", report.SpaceReclaimed);
  return report;
}

/**
 * What pruneImages() would report if nothing happened in between; with `afterContainers`, if the containers that the same
 * filters select were pruned before, as `system prune` does.
 */
export function planPruneImages(
  deps: PruneImagesDeps,
  filters: Filters,
  options: { readonly afterContainers: boolean },
): ImagesPruneReport {
  const goes = options.afterContainers ? prunableContainer(filters) : () => false;
  const staying = [...deps.containers()].filter((container) => !goes(container));
  const gone = new Set([...deps.containers()].filter(goes).flatMap(snapshotsOf));
  const layers = deps.snapshots.layers();
  const ids = [...deps.images.list(), ...deps.images.damaged()].map(({ id }) => id);
  const holders = new Holders({
    images: ids.map((id) => ({ id, needs: deps.images.needs(id) })),
    layers,
    blobs: deps.content.list(),
    heldLayers: deps.snapshots
      .active()
      .filter(({ id }) => !gone.has(id))
      .map(({ parent }) => parent),
  });
  const deleted = prunable(deps.images, staying, filters).flatMap((image) => [
    ...untagged(image),
    ...[image.id, ...holders.release(image.id).layers].map((id) => ({ Deleted: id })),
  ]);
  return reportOf(deleted, layerSizes(deps.snapshots));
}

function prunable(
  images: PruneImagesDeps["images"],
  containers: Iterable<Container>,
  filters: Filters,
): readonly Image[] {
  const onlyDangling = booleanFilter(filters, "dangling") ?? true;
  const matches = pruneFilter(filters);
  const uses = imagesInUse(containers);
  const mounted = mountedImages();
  return images.list().filter((image) => {
    const ms = Date.parse(image.created);
    const createdNs = Number.isNaN(ms) ? undefined : BigInt(ms) * 1_000_000n;
    return (
      !uses.has(image.id) &&
      !mounted.has(image.id) &&
      !(onlyDangling && image.tags.length + image.variantOf.length > 0) &&
      matches({ createdNs, labels: image.config?.Labels ?? {} })
    );
  });
}

function namesOf(image: Image): readonly string[] {
  return [...image.tags, ...image.digests];
}

function untagged(image: Image): readonly ImageDeleteItem[] {
  return namesOf(image).map((name) => ({ Untagged: familiar(name) }));
}

/** The bytes are those of layers, as Docker counts. */
function reportOf(
  deleted: readonly ImageDeleteItem[],
  sizes: ReadonlyMap<string, number>,
): ImagesPruneReport {
  const bytes = deleted.reduce(
    (sum, item) => sum + ("Deleted" in item ? (sizes.get(item.Deleted) ?? 0) : 0),
    0,
  );
  return { ImagesDeleted: deleted.length === 0 ? null : deleted, SpaceReclaimed: bytes };
}
