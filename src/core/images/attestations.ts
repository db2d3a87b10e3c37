/**
 * Attestations: manifests beside an image's in its index that tell how it was made and what is in it. They are kept with the
 * image whose manifest they name, so that its index can go on to another registry or into an archive as it came.
 */
import { decodeDocument, MAX_DOCUMENT_BYTES } from "../../specs/oci-image/document.ts";
import {
  decodeArtifact,
  type Descriptor,
  isAttestation,
  isManifestType,
} from "../../specs/oci-image/manifest.ts";
import type { Content } from "../content/content.ts";

/** Of one image: as many as anybody has been seen to make, several times. What is beyond is not kept. */
const MAX_ATTESTATIONS = 16;
const MAX_BLOBS = 100;
const MAX_BYTES = 256 << 20;

/** Those of an index that are about one of its manifests. */
export function attestationsOf(manifests: readonly Descriptor[], digest: string): readonly Descriptor[] {
  return manifests
    .filter(
      (descriptor) =>
        isAttestation(descriptor) &&
        isManifestType(descriptor.mediaType) &&
        descriptor.annotations["vnd.docker.reference.digest"] === digest,
    )
    .slice(0, MAX_ATTESTATIONS);
}

/** What an attestation's manifest refers to. Throws `invalid_argument`, also when it is more than is kept. */
export function attestationBlobs(digest: string, manifest: Uint8Array): readonly Descriptor[] {
  return decodeDocument(`attestation "${digest}"`, manifest, (value) =>
    decodeArtifact(value, MAX_BLOBS, MAX_BYTES),
  );
}

export interface StoredAttestation {
  readonly bytes: Buffer;
  readonly blobs: readonly Descriptor[];
}

/** undefined when not all of it is here. */
export async function storedAttestation(
  content: Pick<Content, "stat" | "read">,
  { digest }: Pick<Descriptor, "digest">,
): Promise<StoredAttestation | undefined> {
  if (content.stat(digest) === undefined) return undefined;
  const bytes = await content.read(digest, MAX_DOCUMENT_BYTES);
  const blobs = attestationBlobs(digest, bytes);
  return blobs.every((blob) => content.stat(blob.digest) !== undefined) ? { bytes, blobs } : undefined;
}
