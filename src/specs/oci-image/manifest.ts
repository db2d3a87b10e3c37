/**
 * Manifests and indexes of the OCI image specification 1.1 (manifest.md, image-index.md, descriptor.md), which Docker's
 * "schema 2" shares but for the media types; and `manifest.json` of `docker save`.
 */
import { fail } from "../../base/errors.ts";
import { asList, asString, Fields } from "../engine/fields.decode.ts";
import { checkDigest } from "./digest.ts";
import { requiredList, requiredString } from "./document.ts";

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly platform: Platform | undefined;
  /** No prototype: any key may be asked for. */
  readonly annotations: Readonly<Record<string, string>>;
  /** Where else the bytes may be had; of layers alone. */
  readonly urls?: readonly string[];
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string;
}

export interface Manifest {
  readonly config: Descriptor;
  /** Base first. */
  readonly layers: readonly Descriptor[];
}

export interface Index {
  readonly manifests: readonly Descriptor[];
}

/** One image of a docker-archive. */
export interface ArchiveEntry {
  readonly config: string;
  /** Familiar references. */
  readonly repoTags: readonly string[];
  /** Paths within the archive, base first. */
  readonly layers: readonly string[];
}

const INDEX_TYPES: ReadonlySet<string> = new Set([
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
]);

const MANIFEST_TYPES: ReadonlySet<string> = new Set([
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
]);

const CONFIG_TYPES: ReadonlySet<string> = new Set([
  "application/vnd.oci.image.config.v1+json",
  "application/vnd.docker.container.image.v1+json",
]);

/** Of a layer whose maker does not want it pushed anywhere. */
const NONDISTRIBUTABLE =
  /^application\/vnd\.(oci\.image\.layer\.nondistributable|docker\.image\.rootfs\.foreign)\./;

const LAYER_TYPE =
  /^application\/vnd\.(oci\.image\.layer(\.nondistributable)?\.v1\.tar(\+gzip|\+zstd)?|docker\.image\.rootfs(\.foreign)?\.diff\.tar(\.gzip|\.zstd)?)$/;

/** Far beyond what any file system can stack. */
const MAX_LAYERS = 1_000;
const MAX_MANIFESTS = 10_000;
/** Of one layer, and the length of each: as many as anybody has been seen to need, several times. */
const MAX_URLS = 16;
const MAX_URL_LENGTH = 2048;

export function isIndexType(mediaType: string): boolean {
  return INDEX_TYPES.has(mediaType);
}

export function isNondistributable(mediaType: string): boolean {
  return NONDISTRIBUTABLE.test(mediaType);
}

export function isManifestType(mediaType: string): boolean {
  return MANIFEST_TYPES.has(mediaType);
}

/** An index or, for the nested case, what a blob that claims to be one holds. */
export function decodeIndex(value: unknown): Index {
  const fields = new Fields(value, "");
  checkSchema(fields, isIndexType);
  refuseOther(fields, "an index", ["layers", "config", "fsLayers"]);
  checkCount(fields, "manifests", MAX_MANIFESTS);
  return { manifests: requiredList(fields, "manifests", decodeDescriptor) };
}

/** Throws `invalid_argument` also for a manifest that is no image: an artifact or an attestation. */
export function decodeManifest(value: unknown): Manifest {
  const fields = new Fields(value, "");
  checkSchema(fields, isManifestType);
  refuseOther(fields, "a manifest", ["manifests", "fsLayers"]);
  checkCount(fields, "layers", MAX_LAYERS);
  const config = fields.object("config");
  if (config === null) throw fail("invalid_argument", 'field "config" is missing');
  const manifest = {
    config: decodeDescriptor(config),
    layers: requiredList(fields, "layers", decodeLayer),
  };
  checkType(CONFIG_TYPES.has(manifest.config.mediaType), "config", manifest.config.mediaType);
  manifest.layers.forEach(({ mediaType }, i) =>
    checkType(LAYER_TYPE.test(mediaType), `layers[${i}]`, mediaType),
  );
  return manifest;
}

/** What a manifest refers to that need not be an image's: at most so many blobs, of so many bytes together. */
export function decodeArtifact(value: unknown, maxBlobs: number, maxBytes: number): readonly Descriptor[] {
  const fields = new Fields(value, "");
  checkSchema(fields, isManifestType);
  refuseOther(fields, "a manifest", ["manifests", "fsLayers"]);
  checkCount(fields, "layers", maxBlobs);
  const config = fields.object("config");
  if (config === null) throw fail("invalid_argument", 'field "config" is missing');
  const blobs = [decodeDescriptor(config), ...requiredList(fields, "layers", decodeDescriptor)];
  const bytes = blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  if (bytes > maxBytes) throw fail("invalid_argument", `blobs of ${bytes} bytes, ${maxBytes} are allowed`);
  return blobs;
}

/** What BuildKit puts beside an image to tell how it was made: a manifest, but no image. */
export function isAttestation(descriptor: Descriptor): boolean {
  return (
    descriptor.platform?.os === "unknown" ||
    descriptor.annotations["vnd.docker.reference.type"] === "attestation-manifest"
  );
}

export function decodeArchiveManifest(value: unknown): readonly ArchiveEntry[] {
  return asList(value, "manifest", (entry, path) => {
    const fields = new Fields(entry, path);
    return {
      config: requiredString(fields, "Config"),
      repoTags: fields.list("RepoTags", asString) ?? [],
      layers: fields.list("Layers", asString) ?? [],
    };
  });
}

function checkSchema(fields: Fields, isExpected: (mediaType: string) => boolean): void {
  const version = fields.int("schemaVersion");
  if (version !== 2) throw fail("invalid_argument", `unsupported schema version ${version}`);
  // Optional in the specification, because the descriptor says it; a contradiction is an attack on whoever reads both.
  const mediaType = fields.str("mediaType");
  if (mediaType !== "") checkType(isExpected(mediaType), "mediaType", mediaType);
}

/** A document that is one thing to one reader and another to the next is an attack on both (CVE-2021-41190). */
function refuseOther(fields: Fields, what: string, keys: readonly string[]): void {
  for (const key of keys)
    if (fields.has(key)) throw fail("invalid_argument", `${what} cannot have a field "${fields.at(key)}"`);
}

/** Before anything is made of them. */
function checkCount(fields: Fields, key: string, most: number): void {
  const list = fields.raw(key);
  if (Array.isArray(list) && list.length > most)
    throw fail(
      "invalid_argument",
      `field "${fields.at(key)}" has ${list.length} entries, ${most} are allowed`,
    );
}

function checkType(isSupported: boolean, path: string, mediaType: string): void {
  if (!isSupported)
    throw fail("invalid_argument", `unsupported media type "${mediaType.slice(0, 200)}" in field "${path}"`);
}

function decodeDescriptor(fields: Fields): Descriptor {
  const sizeBytes = fields.int("size");
  if (sizeBytes < 0) throw fail("invalid_argument", `field "${fields.at("size")}" is negative`);
  const platform = fields.object("platform");
  return {
    mediaType: fields.str("mediaType"),
    digest: checkDigest(fields.str("digest")),
    sizeBytes,
    platform: platform === null ? undefined : decodePlatform(platform),
    annotations: fields.stringMap("annotations") ?? {},
  };
}

function decodeLayer(fields: Fields): Descriptor {
  checkCount(fields, "urls", MAX_URLS);
  const urls = fields.list("urls", asString) ?? [];
  if (urls.some((url) => url.length > MAX_URL_LENGTH))
    throw fail("invalid_argument", `field "${fields.at("urls")}" has a URL that is too long`);
  const descriptor = decodeDescriptor(fields);
  return urls.length === 0 ? descriptor : { ...descriptor, urls };
}

function decodePlatform(fields: Fields): Platform {
  return {
    os: fields.str("os"),
    architecture: fields.str("architecture"),
    variant: fields.str("variant"),
  };
}
