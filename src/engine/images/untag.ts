/** POST /images/{name}/untag: ours, for those who want to be sure that nothing but a name goes. */
import { fail } from "../../base/errors.ts";
import type { Images } from "../../core/images/images.ts";
import type { ImageDeleteItem } from "../../specs/engine/image.ts";
import { familiarReference, parseReference } from "../../specs/oci-image/reference.ts";
import type { EventSink } from "../containers/announce.ts";
import { announceImage } from "./announce.ts";

export function untagImage(
  deps: { readonly images: Images; readonly events: EventSink },
  reference: string,
): readonly ImageDeleteItem[] {
  const name = deps.images.name(reference);
  if (name === undefined)
    throw fail("not_found", `No such image: ${familiarReference(parseReference(reference))}`);
  deps.images.untag(name.reference);
  for (const { id, config } of name.images) announceImage(deps.events, id, "untag", id, config?.Labels);
  return [{ Untagged: familiarReference(parseReference(name.reference)) }];
}
