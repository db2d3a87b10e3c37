/** The document that a list becomes at its registry, as Docker's client writes it. Pure. */
import { type ListedImage, platformDocument } from "./store.ts";

const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
const DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";

export interface ListDocument {
  readonly mediaType: string;
  readonly text: string;
}

/** Of the kind of its images, when all are OCI's. */
export function listDocument(images: readonly ListedImage[]): ListDocument {
  const isOci = images.every(({ mediaType }) => mediaType === OCI_MANIFEST);
  const mediaType = isOci ? OCI_INDEX : DOCKER_LIST;
  const document = {
    schemaVersion: 2,
    mediaType,
    manifests: images.map((image) => ({
      mediaType: image.mediaType,
      size: image.sizeBytes,
      digest: image.digest,
      platform: platformDocument(image.platform),
    })),
  };
  return { mediaType, text: JSON.stringify(document, undefined, 3) };
}
