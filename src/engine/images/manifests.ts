/** What clients see of a name's target: a summary of each of its manifests. */
import type { Image, ImageName, Images, ImageVariant } from "../../core/images/images.ts";
import type {
  DescriptorDocument,
  ImageSummary,
  ManifestSummary,
  PlatformDocument,
} from "../../specs/engine/image.ts";
import type { Descriptor, Platform } from "../../specs/oci-image/manifest.ts";
import type { Container } from "../containers/container.ts";

interface NameDeps {
  readonly images: Pick<Images, "name">;
}

export interface ManifestDeps {
  readonly images: Pick<Images, "resolve" | "name" | "variants">;
  readonly containers: () => Iterable<Container>;
}

export async function withManifests(
  deps: ManifestDeps,
  summaries: readonly ImageSummary[],
): Promise<readonly ImageSummary[]> {
  return await Promise.all(
    summaries.map(async (summary) => ({
      ...summary,
      Manifests: await manifestsOf(deps, deps.images.resolve(summary.Id)),
    })),
  );
}

/** Of the first name of the image; none when it has no name. */
export async function manifestsOf(deps: ManifestDeps, image: Image): Promise<readonly ManifestSummary[]> {
  const name = firstName(deps, image);
  if (name === undefined) return [];
  const users = Map.groupBy(deps.containers(), ({ record }) => record.imageId);
  const idsOf = (id: string): readonly string[] => (users.get(id) ?? []).map((container) => container.id);
  return (await deps.images.variants(name)).map((variant) => summaryOf(variant, idsOf));
}

/** What the image's name stands for, or else the manifest that it came by. */
export function descriptorOf(deps: NameDeps, image: Image): DescriptorDocument | undefined {
  const target = firstName(deps, image)?.target ?? image.manifest;
  if (target === undefined) return undefined;
  return { mediaType: target.mediaType, digest: target.digest, size: target.sizeBytes };
}

function firstName({ images }: NameDeps, image: Image): ImageName | undefined {
  const [name] = [...image.tags, ...image.pinned, ...image.variantOf];
  return name === undefined ? undefined : images.name(name);
}

function summaryOf(
  { descriptor, image, attestationBytes }: ImageVariant,
  idsOf: (imageId: string) => readonly string[],
): ManifestSummary {
  const content = image === undefined ? 0 : image.layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const unpacked = image?.sizeBytes ?? 0;
  const common = {
    ID: descriptor.digest,
    Descriptor: descriptorDocument(descriptor),
    Available: image !== undefined,
    Size: { Content: content, Total: content + unpacked },
  };
  const about = descriptor.annotations["vnd.docker.reference.digest"];
  if (descriptor.annotations["vnd.docker.reference.type"] === "attestation-manifest")
    return {
      ...common,
      Available: attestationBytes !== undefined,
      Size: { Content: attestationBytes ?? 0, Total: attestationBytes ?? 0 },
      Kind: "attestation",
      AttestationData: { For: about ?? "" },
    };
  const platform = image ?? descriptor.platform;
  if (platform === undefined) return { ...common, Kind: "unknown" };
  return {
    ...common,
    Kind: "image",
    ImageData: {
      Platform: platformDocument(platform),
      Containers: image === undefined ? [] : idsOf(image.id),
      Size: { Unpacked: unpacked },
    },
  };
}

export function descriptorDocument({
  mediaType,
  digest,
  sizeBytes,
  platform,
}: Descriptor): DescriptorDocument {
  return {
    mediaType,
    digest,
    size: sizeBytes,
    ...(platform === undefined ? {} : { platform: platformDocument(platform) }),
  };
}

export function platformDocument({ os, architecture, variant }: Platform): PlatformDocument {
  return { architecture, os, ...(variant === "" ? {} : { variant }) };
}
