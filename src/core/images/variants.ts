/** What a name's target offers, beside what of it is here. */
import { decodeDocument, MAX_DOCUMENT_BYTES } from "../../specs/oci-image/document.ts";
import { decodeIndex, type Descriptor, isAttestation, isIndexType } from "../../specs/oci-image/manifest.ts";
import type { Content } from "../content/content.ts";
import { storedAttestation } from "./attestations.ts";
import type { Image, ImageName, ImageVariant } from "./images.ts";

export async function variantsOf(
  content: Pick<Content, "stat" | "read">,
  name: ImageName,
): Promise<readonly ImageVariant[]> {
  const offered = await offeredBy(content, name);
  const shown = await Promise.all(
    offered.map(async (descriptor) => ({
      descriptor,
      image: name.images.find(({ manifest }) => manifest?.digest === descriptor.digest),
      attestationBytes: isAttestation(descriptor) ? await attestationBytes(content, descriptor) : undefined,
    })),
  );
  // An image that came by another manifest, or by none, is here all the same.
  const found = new Set(shown.map(({ image }) => image?.id));
  const others = name.images.filter(({ id }) => !found.has(id));
  const unoffered = others.map((image) => ({
    image,
    descriptor: descriptorOf(content, image),
    attestationBytes: undefined,
  }));
  return [...shown, ...unoffered];
}

async function attestationBytes(
  content: Pick<Content, "stat" | "read">,
  descriptor: Descriptor,
): Promise<number | undefined> {
  const stored = await storedAttestation(content, descriptor);
  if (stored === undefined) return undefined;
  return stored.blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, descriptor.sizeBytes);
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
