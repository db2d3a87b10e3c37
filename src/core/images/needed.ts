/** What images and their names need of content and snapshots: the one place that says so. Pure. */
import type { Needed } from "../gc/mark.ts";
import type { ImageRow, NameRow } from "./image-rows.ts";
import type { ImageNeeds } from "./images.ts";
import { imagesOf } from "./name-rules.ts";

/** Also of a damaged image: what is left of it is kept for its repair. With what its names stand for. */
export function needsOf(image: ImageRow, names: readonly NameRow[]): ImageNeeds {
  const { id, manifest, layers, attestations } = image;
  const targets = names.filter((name) => imagesOf(name).includes(id)).map(({ target }) => target);
  return {
    blobs: [
      id,
      ...layers.map(({ blob }) => blob),
      ...attestations,
      ...[manifest, ...targets].flatMap((document) => document?.digest ?? []),
    ],
    layers: layers.map(({ chainId }) => chainId),
  };
}

export function neededBy(images: readonly ImageRow[], names: readonly NameRow[]): Needed {
  const needs = images.map((image) => needsOf(image, []));
  const targets = names.flatMap(({ target }) => target?.digest ?? []);
  return {
    blobs: new Set([...needs.flatMap(({ blobs }) => blobs), ...targets]),
    layers: new Set(needs.flatMap(({ layers }) => layers)),
  };
}
