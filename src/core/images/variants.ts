/** What a name's target offers, beside what of it is here. */
import { decodeDocument, MAX_DOCUMENT_BYTES } from "../../specs/oci-image/document.ts";
import { decodeIndex, type Descriptor, isIndexType } from "../../specs/oci-image/manifest.ts";
import type { Content } from "../content/content.ts";
import type { Image, ImageName, ImageVariant } from "./images.ts";

export async function variantsOf(
  content: Pick<Content, "stat" | "read">,
  name: ImageName,
): Promise<readonly ImageVariant[]> {
  const offered = await offeredBy(content, name);
  const shown = offered.map((descriptor) => ({
    descriptor,
    image: name.images.find(({ manifest }) => manifest?.digest === descriptor.digest),
  }));
  // An image that came by another manifest, or by none, is here all the same.
  const found = new Set(shown.map(({ image }) => image?.id));
  const others = name.images.filter(({ id }) => !found.has(id));
  return [...shown, ...others.map((image) => ({ image, descriptor: descriptorOf(content, image) }))];
}

async function offeredBy(
  content: Pick<Content, "stat" | "read">,
  { target }: ImageName,
): Promise<readonly Descriptor[]> {
  if (target === undefined || !isIndexType(target.mediaType)) return [];
  if (content.stat(target.digest) === undefined) return [];
  const bytes = await content.read(target.digest, MAX_DOCUMENT_BYTES);
  return decodeDocument(`index "${target.digest}"`, bytes, decodeIndex).manifests;
}

/** Of an image without a manifest: its configuration's. */
function descriptorOf(content: Pick<Content, "stat">, image: Image): Descriptor {
  const { os, architecture, variant, manifest } = image;
  const { digest, mediaType } = manifest ?? {
    digest: image.id,
    mediaType: "application/vnd.docker.container.image.v1+json",
  };
  return {
    digest,
    mediaType,
    sizeBytes: content.stat(digest)?.sizeBytes ?? 0,
    platform: { os, architecture, variant },
    annotations: {},
  };
}
