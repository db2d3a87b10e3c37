/** GET /images/get and /images/{name}/get. */
import { fail } from "../../base/errors.ts";
import type { Image, Images } from "../../core/images/images.ts";
import type { EventSink } from "../containers/announce.ts";
import { announceImage } from "./announce.ts";

export interface SaveDeps {
  readonly images: Pick<Images, "select" | "save">;
  readonly events: EventSink;
}

/** Architecture and variant may be "" = any. */
export interface WantedPlatform {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string;
}

/** Throws `not_found` for an unknown image, and for one of another platform than the wanted one. */
export async function* save(
  deps: SaveDeps,
  request: { readonly names: readonly string[]; readonly platform: WantedPlatform | undefined },
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const selected = deps.images.select(request.names);
  for (const { image, names } of selected) checkPlatform(image, names[0] ?? image.id, request.platform);
  yield* deps.images.save(selected, signal);
  for (const { image } of selected) announceImage(deps.events, image.id, "save", image.id);
}

function checkPlatform(image: Image, name: string, wanted: WantedPlatform | undefined): void {
  if (wanted === undefined) return;
  const fits = (want: string, have: string): boolean => want === "" || want === have;
  if (
    fits(wanted.os, image.os) &&
    fits(wanted.architecture, image.architecture) &&
    fits(wanted.variant, image.variant)
  )
    return;
  const shown = [wanted.os, wanted.architecture, wanted.variant].filter((part) => part !== "").join("/");
  throw fail("not_found", `image "${name}" was found but does not provide the specified platform (${shown})`);
}
