/**
 * What a push of a name brings to its registry: whole documents as they came, or a manifest made of the image. The same
 * image always gives the same manifest.
 */
import { fail } from "../../base/errors.ts";
import { sha256Of } from "../../specs/oci-image/digest.ts";
import { decodeDocument, MAX_DOCUMENT_BYTES } from "../../specs/oci-image/document.ts";
import {
  decodeIndex,
  decodeManifest,
  type Descriptor,
  isAttestation,
  isIndexType,
  isManifestType,
  isNondistributable,
  type Platform,
} from "../../specs/oci-image/manifest.ts";
import { bestFor, platformText } from "../../specs/oci-image/platform.ts";
import type { Content } from "../content/content.ts";
import { storedAttestation } from "./attestations.ts";
import type { DocumentRef, Image, ImageLayer, ImageName } from "./images.ts";

export type PlanContent = Pick<Content, "stat" | "read">;

/** A blob on its way, with the digest that its user knows it by: the diffID of a layer, none of all else. */
export interface PushBlob {
  readonly descriptor: Pick<Descriptor, "digest" | "sizeBytes">;
  readonly shownAs: string | undefined;
  /** Its maker does not want it pushed; the manifest tells where it is. */
  readonly isNondistributable: boolean;
}

export interface PushDocument extends DocumentRef {
  readonly bytes: Uint8Array;
}

export interface PushPlan {
  /** The configuration of each image after its layers. */
  readonly blobs: readonly PushBlob[];
  /** What the last one refers to comes before it. */
  readonly documents: readonly PushDocument[];
  readonly insteadOf: DocumentRef | undefined;
}

/** The image that a push of one platform is about. `not_found` when the name has none. */
export function imageToPush(name: ImageName, platform: Platform | undefined): Image {
  const [shown] = name.images;
  const image = platform === undefined ? shown : bestFor(name.images, (each) => each, platform);
  if (image !== undefined) return image;
  const asked = platform === undefined ? "" : ` for platform ${platformText(platform)}`;
  throw fail("not_found", `tag does not exist: ${name.reference}${asked}`);
}

/** The index with all its manifests, if all that they refer to is here. */
export async function planIndex(content: PlanContent, name: ImageName): Promise<PushPlan | undefined> {
  const { target } = name;
  if (target === undefined || !isIndexType(target.mediaType)) return undefined;
  const bytes = await readIfHere(content, target.digest);
  if (bytes === undefined) return undefined;
  const { manifests } = decodeDocument(`index "${target.digest}"`, bytes, decodeIndex);
  const blobs: PushBlob[] = [];
  const documents: PushDocument[] = [];
  for (const descriptor of manifests) {
    const { digest, mediaType, sizeBytes } = descriptor;
    if (!isManifestType(mediaType)) return undefined;
    const document = { digest, mediaType, sizeBytes };
    const part = isAttestation(descriptor)
      ? await planAttestation(content, document)
      : await planManifest(content, document, name.images);
    if (part === undefined) return undefined;
    blobs.push(...part.blobs);
    documents.push(...part.documents);
  }
  return { blobs, documents: [...documents, { ...target, bytes }], insteadOf: undefined };
}

async function planAttestation(
  content: PlanContent,
  manifest: DocumentRef,
): Promise<Pick<PushPlan, "blobs" | "documents"> | undefined> {
  const stored = await storedAttestation(content, manifest);
  if (stored === undefined) return undefined;
  return { blobs: stored.blobs.map(unshownBlob), documents: [{ ...manifest, bytes: stored.bytes }] };
}

/** A manifest as it came, if all that it refers to is here. */
export async function planManifest(
  content: PlanContent,
  manifest: DocumentRef,
  images: readonly Image[],
): Promise<PushPlan | undefined> {
  if (!isManifestType(manifest.mediaType)) return undefined;
  const bytes = await readIfHere(content, manifest.digest);
  if (bytes === undefined) return undefined;
  const { config, layers } = decodeDocument(`manifest "${manifest.digest}"`, bytes, decodeManifest);
  const image = images.find(({ id }) => id === config.digest);
  const isWhole = [config, ...layers].every(({ digest }) => content.stat(digest) !== undefined);
  if (image === undefined || !isWhole) return undefined;
  const blobs = layers.map((descriptor, i) => ({
    descriptor,
    shownAs: image.layers[i]?.diffId,
    isNondistributable: isNondistributable(descriptor.mediaType),
  }));
  return {
    blobs: [...blobs, unshownBlob(config)],
    documents: [{ ...manifest, bytes }],
    insteadOf: undefined,
  };
}

function unshownBlob(descriptor: PushBlob["descriptor"]): PushBlob {
  return { descriptor, shownAs: undefined, isNondistributable: false };
}

/**
 * Of an image that came by no manifest; its layers are compressed by now. What a maker does not want pushed would be pushed
 * here like any other layer, as the place where it is got lost with the manifest: `forbidden`, unless the registry may have it.
 */
export function planGenerated(content: PlanContent, image: Image, takesNondistributable: boolean): PushPlan {
  const kept = image.layers.find(({ mediaType }) => isNondistributable(mediaType));
  if (kept !== undefined && !takesNondistributable)
    throw fail(
      "forbidden",
      `layer "${kept.diffId}" is not to be distributed: list the registry in "allow-nondistributable-artifacts" to push it`,
    );
  const config = content.stat(image.id);
  if (config === undefined) throw fail("unavailable", `image "${image.id}" is damaged: no configuration`);
  const document = generatedManifest(config, image.layers);
  const blobs = image.layers.map(({ blob: digest, sizeBytes, diffId }) => ({
    descriptor: { digest, sizeBytes },
    shownAs: diffId,
    isNondistributable: false,
  }));
  return {
    blobs: [...blobs, unshownBlob(config)],
    documents: [document],
    insteadOf: undefined,
  };
}

const DOCKER = "application/vnd.docker";
const OCI = "application/vnd.oci.image";

/** Docker's schema 2, byte for byte as Docker would write it; OCI's for what schema 2 has no name for. */
function generatedManifest(
  config: { readonly digest: string; readonly sizeBytes: number },
  layers: readonly ImageLayer[],
): PushDocument {
  const isOci = layers.some(({ mediaType }) => mediaType.endsWith("zstd"));
  const configType = isOci ? `${OCI}.config.v1+json` : `${DOCKER}.container.image.v1+json`;
  const mediaType = isOci ? `${OCI}.manifest.v1+json` : `${DOCKER}.distribution.manifest.v2+json`;
  const layerType = (of: ImageLayer): string =>
    isOci ? of.mediaType : `${DOCKER}.image.rootfs.diff.tar${isPlain(of) ? "" : ".gzip"}`;
  const document = {
    schemaVersion: 2,
    mediaType,
    config: { mediaType: configType, size: config.sizeBytes, digest: config.digest },
    layers: layers.map((layer) => ({
      mediaType: layerType(layer),
      size: layer.sizeBytes,
      digest: layer.blob,
    })),
  };
  const bytes = Buffer.from(JSON.stringify(document, undefined, 3));
  return { digest: sha256Of(bytes), mediaType, sizeBytes: bytes.length, bytes };
}

/** A layer that a push compresses first. */
export function isPlain(layer: Pick<ImageLayer, "mediaType">): boolean {
  return layer.mediaType.endsWith(".tar");
}

async function readIfHere(content: PlanContent, digest: string): Promise<Buffer | undefined> {
  return content.stat(digest) === undefined ? undefined : await content.read(digest, MAX_DOCUMENT_BYTES);
}
