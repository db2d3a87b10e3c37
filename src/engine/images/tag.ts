/** POST /images/{name}/tag. */
import { fail } from "../../base/errors.ts";
import type { Images } from "../../core/images/images.ts";
import { familiarReference, parseReference, withDefaultTag } from "../../specs/oci-image/reference.ts";
import type { EventSink } from "../containers/announce.ts";
import { announceImage } from "./announce.ts";

export function tagImage(
  deps: { readonly images: Images; readonly events: EventSink },
  name: string,
  target: { readonly repo: string; readonly tag: string },
): void {
  if (target.repo === "") throw fail("invalid_argument", "invalid reference format");
  const image = deps.images.resolve(name);
  const text = target.tag === "" ? target.repo : `${target.repo}:${target.tag}`;
  // Of a name everything is taken along that it stands for: its target, and its images for other platforms.
  const named = deps.images.name(name);
  deps.images.tag(image, text, named?.images[0]?.id === image.id ? named : undefined);
  announceImage(
    deps.events,
    image.id,
    "tag",
    familiarReference(withDefaultTag(parseReference(text))),
    image.config?.Labels,
  );
}
