/** What an image keeps alive: the one place that garbage collection, check and disk usage ask. */
import type { ImageRow } from "./image-rows.ts";
import type { ImageNeeds } from "./images.ts";

/** Also of a damaged image: what is left of it is kept for its repair. */
export function needsOf({ id, layers }: ImageRow): ImageNeeds {
  return {
    blobs: [id, ...layers.map(({ blob }) => blob)],
    layers: layers.map(({ chainId }) => chainId),
  };
}
