/** POST /images/prune: images without a name or, with `dangling=false`, all that no container uses. */
import type { Snapshotter } from "../../core/snapshots/snapshotter.ts";
import type { Filters } from "../../specs/engine/container.ts";
import { booleanFilter } from "../../specs/engine/filters.decode.ts";
import type { ImageDeleteItem } from "../../specs/engine/image.ts";
import { countUses, familiar, imageFilter, layerSizes } from "./list.ts";
import { isMounted } from "./mounts.ts";
import { deleteImage, type RemoveImageDeps } from "./remove.ts";

export const PRUNE_IMAGE_FILTERS = ["dangling", "label", "label!", "until"] as const;

export interface ImagesPruneReport {
  readonly ImagesDeleted: readonly ImageDeleteItem[] | null;
  readonly SpaceReclaimed: number;
}

export async function pruneImages(
  deps: RemoveImageDeps & { readonly snapshots: Pick<Snapshotter, "layers"> },
  filters: Filters,
  signal: AbortSignal,
): Promise<ImagesPruneReport> {
  const onlyDangling = booleanFilter(filters, "dangling") ?? true;
  const matches = imageFilter(deps.images, new Map([...filters].filter(([key]) => key !== "dangling")));
  const deleted: ImageDeleteItem[] = [];
  let bytes = 0;
  for (const image of deps.images.list()) {
    if (signal.aborted) break;
    const isUsed = countUses(deps.containers()).has(image.id) || isMounted(image);
    if (isUsed || (onlyDangling && image.tags.length > 0) || !matches(image)) continue;
    for (const tag of image.tags) deleted.push({ Untagged: familiar(tag) });
    const sizes = layerSizes(deps.snapshots);
    const items = await deleteImage(deps, image);
    deleted.push(...items);
    const gone = new Set(items.flatMap((item) => ("Deleted" in item ? [item.Deleted] : [])));
    for (const layer of image.layers) if (gone.has(layer.chainId)) bytes += sizes.get(layer.chainId) ?? 0;
  }
  return { ImagesDeleted: deleted.length === 0 ? null : deleted, SpaceReclaimed: bytes };
}
