/**
 * What lies at a registry, without pulling it: what a name means there, its tags, its manifest; and a manifest list that is
 * put there for images that are there already.
 */
import { fail } from "../../base/errors.ts";
import type { Credentials, Registries, Repository } from "../../core/distribution/distribution.ts";
import type { DescriptorDocument, PlatformDocument } from "../../specs/engine/image.ts";
import { decodeDocument, MAX_DOCUMENT_BYTES } from "../../specs/oci-image/document.ts";
import { decodeImageConfig } from "../../specs/oci-image/image-config.ts";
import {
  decodeIndex,
  decodeManifest,
  isIndexType,
  isManifestType,
  isNondistributable,
} from "../../specs/oci-image/manifest.ts";
import {
  familiarReference,
  parseReference,
  type Reference,
  repositoryOf,
  withDefaultTag,
} from "../../specs/oci-image/reference.ts";
import { descriptorDocument, platformDocument } from "./manifests.ts";

export interface RegistryDeps {
  readonly registries: Pick<Registries, "open">;
}

export interface DistributionInspect {
  readonly Descriptor: DescriptorDocument;
  readonly Platforms: readonly PlatformDocument[];
}

export interface RegistryManifest extends DistributionInspect {
  /** The document's bytes, base64. */
  readonly Raw: string;
}

/** The document and the platforms that it is for. */
export async function readManifest(
  deps: RegistryDeps,
  name: string,
  credentials: Credentials | undefined,
  signal: AbortSignal,
): Promise<RegistryManifest> {
  const reference = withDefaultTag(parseReference(name));
  const repository = deps.registries.open(reference, credentials, "pull");
  const { descriptor, bytes } = await repository.manifest(await repository.resolve(signal), signal);
  const platforms = isIndexType(descriptor.mediaType)
    ? decodeDocument("manifest", bytes, decodeIndex).manifests.flatMap(({ platform }) => platform ?? [])
    : [await platformOf(repository, bytes, signal)];
  return {
    Descriptor: descriptorDocument(descriptor),
    Platforms: platforms.map(platformDocument),
    Raw: Buffer.from(bytes).toString("base64"),
  };
}

async function platformOf(repository: Repository, manifest: Uint8Array, signal: AbortSignal) {
  const { config } = decodeDocument("manifest", manifest, decodeManifest);
  if (config.sizeBytes > MAX_DOCUMENT_BYTES)
    throw fail("invalid_argument", `configuration of ${config.sizeBytes} bytes is too large`);
  const parts: Uint8Array[] = [];
  for await (const part of repository.blob(config, { offset: 0, signal })) parts.push(part);
  return decodeDocument("configuration", Buffer.concat(parts), decodeImageConfig);
}

export interface RegistryTags {
  readonly Name: string;
  readonly Tags: readonly string[];
}

export async function listTags(
  deps: RegistryDeps,
  name: string,
  credentials: Credentials | undefined,
  signal: AbortSignal,
): Promise<RegistryTags> {
  const reference = parseReference(name);
  const repository = deps.registries.open(reference, credentials, "pull");
  const bare = { ...reference, tag: undefined, digest: undefined };
  return { Name: familiarReference(bare), Tags: (await repository.tags(signal)).toSorted(byText) };
}

/** Old registries list them as their directories do. */
function byText(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}

export interface ListToPush {
  readonly mediaType: string;
  readonly bytes: Buffer;
  /** `repository@digest` of each image in the list. */
  readonly sources: readonly string[];
}

export interface PushedList {
  readonly Digest: string;
  /** Images that had to be brought into the list's repository. */
  readonly Pushed: readonly { readonly Ref: string; readonly Digest: string }[];
}

/** Images in other repositories of the same registry are mounted: their bytes do not come here. */
export async function pushList(
  deps: RegistryDeps,
  name: string,
  list: ListToPush,
  credentials: Credentials | undefined,
  signal: AbortSignal,
): Promise<PushedList> {
  const reference = withDefaultTag(parseReference(name));
  if (!isIndexType(list.mediaType))
    throw fail("invalid_argument", `"${list.mediaType.slice(0, 200)}" is no manifest list`);
  decodeDocument("manifest list", list.bytes, decodeIndex);
  const sources = list.sources.map(parseReference);
  const foreign = sources.find(({ domain }) => domain !== reference.domain);
  // Docker's words.
  if (foreign !== undefined)
    throw fail(
      "invalid_argument",
      `cannot use source images from a different registry than the target image: ${foreign.domain} != ${reference.domain}`,
    );
  const target = deps.registries.open(reference, credentials, "push");
  const pushed: { readonly Ref: string; readonly Digest: string }[] = [];
  for (const source of sources) {
    if (source.path === reference.path) continue;
    const repository = deps.registries.open(source, credentials, "pull");
    const digest = await copyManifest(repository, target, signal);
    pushed.push({ Ref: `${repositoryOf(reference)}@${digest}`, Digest: digest });
  }
  const tag = reference.tag ?? "latest";
  return {
    Digest: await target.pushManifest({ tag }, list.mediaType, list.bytes, signal),
    Pushed: pushed,
  };
}

async function copyManifest(source: Repository, target: Repository, signal: AbortSignal): Promise<string> {
  const { descriptor, bytes } = await source.manifest(await source.resolve(signal), signal);
  if (!isManifestType(descriptor.mediaType))
    throw fail("invalid_argument", `"${nameOf(source.reference)}" is no image manifest`);
  const { config, layers } = decodeDocument("manifest", bytes, decodeManifest);
  for (const { digest, mediaType } of [config, ...layers]) {
    // It is where its descriptor says, as for a push.
    if (isNondistributable(mediaType) && !(await target.mayHoldNondistributable())) continue;
    if (await target.hasBlob(digest, signal)) continue;
    if (!(await target.mountBlob(digest, source.reference.path, signal)))
      throw fail(
        "unavailable",
        `the registry does not mount blob "${digest}" from ${source.reference.path}: push the image to ${target.reference.path} first`,
      );
  }
  return await target.pushManifest("digest", descriptor.mediaType, bytes, signal);
}

function nameOf(reference: Reference): string {
  return familiarReference(reference);
}
