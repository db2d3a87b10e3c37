/** GET /images/get and /images/{name}/get. */
import type { Images } from "../../core/images/images.ts";
import type { Platform } from "../../specs/oci-image/manifest.ts";
import type { EventSink } from "../containers/announce.ts";
import { announceImage } from "./announce.ts";

export interface SaveDeps {
  readonly images: Pick<Images, "select" | "save">;
  readonly events: EventSink;
}

/** Throws `not_found` for an unknown image, and for one that is not here for the platform. */
export async function* save(
  deps: SaveDeps,
  request: { readonly names: readonly string[]; readonly platform: Platform | undefined },
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const selected = deps.images.select(request.names, request.platform);
  yield* deps.images.save(selected, signal);
  for (const { image } of selected)
    announceImage(deps.events, image.id, "save", image.id, image.config?.Labels);
}
