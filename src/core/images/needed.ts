/** What images need of content and snapshots: the one place that says so. Pure. */
import type { Needed } from "../gc/mark.ts";
import type { ImageRow } from "./image-rows.ts";
import type { ImageNeeds } from "./images.ts";

/** Also of a damaged image: what is left of it is kept for its repair. */
export function needsOf({ id, layers }: ImageRow): ImageNeeds {
  return {
    blobs: [id, ...layers.map(({ blob }) => blob)],
    layers: layers.map(({ chainId }) => chainId),
  };
}

export function neededBy(images: readonly ImageRow[]): Needed {
  const needs = images.map(needsOf);
  return {
    blobs: new Set(needs.flatMap(({ blobs }) => blobs)),
    layers: new Set(needs.flatMap(({ layers }) => layers)),
  };
}
