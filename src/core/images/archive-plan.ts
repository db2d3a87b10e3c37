/**
 * From what an archive holds to what shall be made of it. Pure: the same members always give the same plan or the same
 * error.
 */
import { fail } from "../../base/errors.ts";
import { decodeDocument, MAX_DOCUMENT_BYTES } from "../../specs/oci-image/document.ts";
import { decodeImageConfig, type ImageConfig } from "../../specs/oci-image/image-config.ts";
import {
  decodeArchiveManifest,
  decodeIndex,
  decodeManifest,
  type Descriptor,
  isAttestation,
  isIndexType,
  isManifestType,
  type Platform,
} from "../../specs/oci-image/manifest.ts";
import { bestFor, platformText, runsOn } from "../../specs/oci-image/platform.ts";
import { parseReference, type Reference, withDefaultTag } from "../../specs/oci-image/reference.ts";
import { follow } from "./archive-names.ts";
import { attestationBlobs, attestationsOf } from "./attestations.ts";
import type { Scanned, ScannedArchive, ScannedDocument, ScannedLayer } from "./archive-scan.ts";

export interface PlannedImage {
  readonly config: ImageConfig;
  /** The configuration as it is stored; its digest is the image's id. */
  readonly document: Pick<ScannedDocument, "bytes" | "digest">;
  /** Base first, one per diffID of the configuration, each with that diffID. */
  readonly layers: readonly ScannedLayer[];
  readonly names: readonly Reference[];
  /** The manifest that it came by, if it did by one that is worth keeping: see `keptManifest`. */
  readonly manifest: PlannedDocument | undefined;
  /** What the names stand for: the manifest, or the index that led to it. */
  readonly target: PlannedDocument | undefined;
  /** Manifests of attestations about it that the archive has all of, with their blobs. */
  readonly attestations: readonly PlannedBlob[];
}

/** To be stored, or stored by now when there are no bytes. */
export interface PlannedBlob {
  readonly digest: string;
  readonly bytes: Buffer | undefined;
}

export interface PlannedDocument {
  readonly bytes: Buffer;
  readonly digest: string;
  readonly mediaType: string;
}

export interface PlanOptions {
  readonly host: Platform;
  /** The one variant that is wanted; undefined = all that the archive holds. */
  readonly platform: Platform | undefined;
}

/** Throws `invalid_argument`. */
export function planArchive(archive: ScannedArchive, options: PlanOptions): readonly PlannedImage[] {
  const manifest = find(archive, "manifest.json");
  const index = find(archive, "index.json");
  if (manifest !== undefined && !(index !== undefined && namesIndexes(index)))
    return planDockerArchive(archive, asDocument(manifest, "manifest.json"), index, options);
  if (index !== undefined) return planLayout(archive, asDocument(index, "index.json"), options);
  throw fail("invalid_argument", "archive holds no image: neither manifest.json nor index.json is in it");
}

/** manifest.json knows one platform an image; where index.json tells of more, it is the one to be believed. */
function namesIndexes(member: Scanned): boolean {
  if (member.kind !== "document") return false;
  const { manifests } = decodeDocument("index.json", member.bytes, decodeIndex);
  return manifests.some(({ mediaType }) => isIndexType(mediaType));
}

function planDockerArchive(
  archive: ScannedArchive,
  document: ScannedDocument,
  index: Scanned | undefined,
  { platform }: PlanOptions,
): readonly PlannedImage[] {
  const entries = decodeDocument("manifest.json", document.bytes, decodeArchiveManifest);
  const manifests = manifestsByConfig(archive, index);
  const planned = entries.map((entry) => {
    const member = asDocument(need(archive, entry.config, "configuration"), entry.config);
    const config = decodeConfig(entry.config, member);
    // Docker's words.
    if (entry.layers.length !== config.diffIds.length)
      throw invalid(
        `invalid manifest, layers length mismatch: expected ${entry.layers.length}, got ${config.diffIds.length}`,
      );
    const layers = entry.layers.map((path) => asLayer(need(archive, path, "layer"), path));
    checkDiffIds(layers, config);
    const manifest = keptManifest(manifests.get(member.digest), layers);
    const names = entry.repoTags.map(tagOf);
    return { config, document: member, layers, names, manifest, target: manifest, attestations: [] };
  });
  if (platform === undefined) return planned;
  const chosen = planned.filter(({ config }) => runsOn(config, platform));
  if (chosen.length > 0) return chosen;
  throw noMatch(
    planned.map(({ config }) => config),
    platform,
  );
}

/** Configuration → the manifest that index.json, if there is one, has for it. */
function manifestsByConfig(
  archive: ScannedArchive,
  index: Scanned | undefined,
): ReadonlyMap<string, PlannedDocument> {
  const found = new Map<string, PlannedDocument>();
  if (index?.kind !== "document") return found;
  const blobs = blobsOf(archive);
  for (const { digest, mediaType } of decodeDocument("index.json", index.bytes, decodeIndex).manifests) {
    const member = blobs.get(digest);
    if (member?.kind !== "document" || !isManifestType(mediaType)) continue;
    const { config } = decodeDocument(`blob "${digest}"`, member.bytes, decodeManifest);
    found.set(config.digest, { bytes: member.bytes, digest, mediaType });
  }
  return found;
}

/**
 * A manifest is kept so that the image has the same digest wherever it goes. One of layers that are not compressed was
 * written by `docker save` for itself: the push makes a better one.
 */
function keptManifest(
  manifest: PlannedDocument | undefined,
  layers: readonly ScannedLayer[],
): PlannedDocument | undefined {
  if (manifest === undefined || layers.some((layer) => layer.mediaType.endsWith(".tar"))) return undefined;
  const named = decodeDocument("manifest", manifest.bytes, decodeManifest).layers;
  const isOfThese =
    named.length === layers.length && named.every(({ digest }, i) => digest === layers[i]?.blob);
  return isOfThese ? manifest : undefined;
}

function blobsOf(archive: ScannedArchive): ReadonlyMap<string, Scanned> {
  const blobs = new Map<string, Scanned>();
  for (const member of archive.members.values()) {
    if (member.kind === "layer" || member.kind === "blob") blobs.set(member.blob, member);
    if (member.kind === "document") blobs.set(member.digest, member);
  }
  return blobs;
}

function planLayout(
  archive: ScannedArchive,
  document: ScannedDocument,
  options: PlanOptions,
): readonly PlannedImage[] {
  const { manifests } = decodeDocument("index.json", document.bytes, decodeIndex);
  const layout = new Layout(blobsOf(archive), options);
  const images = layout
    .choose(manifests)
    .flatMap((descriptor) => layout.plan(descriptor, namesOf(descriptor)));
  if (images.length === 0) throw invalid("index.json names no image");
  return images;
}

/** Nesting of indexes: one for platforms, and one more for what writes an index per image into index.json. */
const MAX_INDEX_DEPTH = 3;

class Layout {
  readonly #blobs: ReadonlyMap<string, Scanned>;
  readonly #options: PlanOptions;

  constructor(blobs: ReadonlyMap<string, Scanned>, options: PlanOptions) {
    this.#blobs = blobs;
    this.#options = options;
  }

  /** Of the descriptors with the same names only the best one; descriptors without platform are all meant. */
  choose(descriptors: readonly Descriptor[]): readonly Descriptor[] {
    const images = descriptors.filter((descriptor) => !isAttestation(descriptor));
    const groups = Map.groupBy(images, (descriptor) => referencesIn(descriptor).join(" "));
    return [...groups.values()].flatMap((group) => this.#chooseOne(group));
  }

  #chooseOne(group: readonly Descriptor[]): readonly Descriptor[] {
    if (group.length === 1 || !group.every((descriptor) => descriptor.platform !== undefined)) return group;
    return [this.#best(group)];
  }

  #best(descriptors: readonly Descriptor[]): Descriptor {
    const wanted = this.#options.platform ?? this.#options.host;
    const best = bestFor(descriptors, ({ platform }) => platform ?? UNKNOWN, wanted);
    if (best === undefined)
      throw noMatch(
        descriptors.map(({ platform }) => platform ?? UNKNOWN),
        wanted,
      );
    return best;
  }

  plan(
    descriptor: Descriptor,
    names: readonly Reference[],
    above?: { readonly target: PlannedDocument; readonly attestations: readonly Descriptor[] },
    depth = 0,
  ): readonly PlannedImage[] {
    const what = `blob "${descriptor.digest}"`;
    const { bytes } = asDocument(this.#blob(descriptor, what), what);
    const document = { bytes, digest: descriptor.digest, mediaType: descriptor.mediaType };
    if (isIndexType(descriptor.mediaType)) {
      if (depth === MAX_INDEX_DEPTH) throw invalid(`index "${descriptor.digest}" is nested too deeply`);
      const { manifests } = decodeDocument(what, bytes, decodeIndex);
      return this.#choosePlatforms(manifests.filter((manifest) => !isAttestation(manifest))).flatMap(
        (chosen) => {
          const attestations = attestationsOf(manifests, chosen.digest);
          return this.plan(chosen, names, { target: above?.target ?? document, attestations }, depth + 1);
        },
      );
    }
    if (!isManifestType(descriptor.mediaType))
      throw invalid(`unsupported media type "${descriptor.mediaType.slice(0, 200)}" of ${what}`);
    const { platform } = this.#options;
    const image = {
      ...this.#planManifest(what, document, names, above?.target),
      attestations: (above?.attestations ?? []).flatMap((attestation) => this.#attestation(attestation)),
    };
    if (platform !== undefined && !runsOn(image.config, platform)) throw noMatch([image.config], platform);
    return [image];
  }

  /** The wanted one, or all that are in the archive; when that is none, the best one, to be refused for what is missing. */
  #choosePlatforms(images: readonly Descriptor[]): readonly Descriptor[] {
    const [only] = images;
    if (only === undefined) throw invalid("an index of the archive names no image");
    if (images.length === 1) return images;
    if (this.#options.platform !== undefined) return [this.#best(images)];
    const here = images.filter((image) => image.platform?.os === "linux" && this.#isWhole(image));
    return here.length > 0 ? here : [this.#best(images)];
  }

  #isWhole({ digest, mediaType }: Descriptor): boolean {
    const member = this.#blobs.get(digest);
    if (member?.kind !== "document") return false;
    if (!isManifestType(mediaType)) return isIndexType(mediaType);
    const manifest = decodeDocument(`blob "${digest}"`, member.bytes, decodeManifest);
    return [manifest.config, ...manifest.layers].every((blob) => this.#blobs.has(blob.digest));
  }

  #planManifest(
    what: string,
    source: PlannedDocument,
    names: readonly Reference[],
    target: PlannedDocument | undefined,
  ): Omit<PlannedImage, "attestations"> {
    const manifest = decodeDocument(what, source.bytes, decodeManifest);
    const configName = `blob "${manifest.config.digest}"`;
    const document = asDocument(this.#blob(manifest.config, configName), configName);
    const config = decodeConfig(configName, document);
    if (manifest.layers.length !== config.diffIds.length)
      throw invalid(
        `invalid manifest, layers length mismatch: expected ${manifest.layers.length}, got ${config.diffIds.length}`,
      );
    const layers = manifest.layers.map((descriptor) => {
      const name = `blob "${descriptor.digest}"`;
      return { ...asLayer(this.#blob(descriptor, name), name), mediaType: descriptor.mediaType };
    });
    checkDiffIds(layers, config);
    const kept = keptManifest(source, layers);
    return { config, document, layers, names, manifest: kept, target: target ?? kept };
  }

  /** Nothing when it is not whole: an image does without. */
  #attestation({ digest }: Descriptor): readonly PlannedBlob[] {
    const manifest = this.#blobs.get(digest);
    if (manifest?.kind !== "document") return [];
    const members = attestationBlobs(digest, manifest.bytes).map((blob) => this.#blobs.get(blob.digest));
    return members.includes(undefined) ? [] : [manifest, ...members].flatMap(plannedBlob);
  }

  #blob(descriptor: Descriptor, what: string): Scanned {
    const member = this.#blobs.get(descriptor.digest);
    if (member === undefined) throw invalid(`archive does not hold ${what}`);
    const sizeBytes =
      member.kind === "document" ? member.bytes.length : member.kind === "other" ? 0 : member.blobBytes;
    if (sizeBytes !== descriptor.sizeBytes)
      throw invalid(`${what} has ${sizeBytes} bytes instead of ${descriptor.sizeBytes}`);
    return member;
  }
}

function plannedBlob(member: Scanned | undefined): readonly PlannedBlob[] {
  if (member === undefined || member.kind === "other") return [];
  if (member.kind === "document") return [{ digest: member.digest, bytes: member.bytes }];
  return [{ digest: member.blob, bytes: undefined }];
}

const UNKNOWN: Platform = { os: "unknown", architecture: "unknown", variant: "" };

function noMatch(offered: readonly Platform[], wanted: Platform): Error {
  const texts = offered.map(platformText).join(", ").slice(0, 200);
  return invalid(`archive holds no image for platform ${platformText(wanted)}, only for ${texts}`);
}

/**
 * containerd's annotation holds a full reference. The specification's own one may be a mere tag, which names nothing
 * by itself: such an image is loaded by its id.
 */
function referencesIn(descriptor: Descriptor): readonly string[] {
  const full = descriptor.annotations["io.containerd.image.name"];
  if (full !== undefined && full !== "") return [full];
  const name = descriptor.annotations["org.opencontainers.image.ref.name"] ?? "";
  return /[/:]/.test(name) ? [name] : [];
}

function namesOf(descriptor: Descriptor): readonly Reference[] {
  return referencesIn(descriptor).map(tagOf);
}

function tagOf(text: string): Reference {
  const reference = withDefaultTag(parseReference(text));
  if (reference.digest !== undefined)
    throw invalid(`"${text}" is a digest, an image cannot be loaded as one`);
  return reference;
}

function decodeConfig(what: string, document: ScannedDocument): ImageConfig {
  const config = decodeDocument(what, document.bytes, decodeImageConfig);
  // Docker's words.
  if (config.os !== "" && config.os !== "linux")
    throw invalid(`cannot load ${config.os.slice(0, 50)} image on linux`);
  return config;
}

function checkDiffIds(layers: readonly ScannedLayer[], config: ImageConfig): void {
  layers.forEach((layer, i) => {
    const expected = config.diffIds[i];
    // Docker's words.
    if (layer.diffId !== expected)
      throw invalid(`invalid diffID for layer ${i}: expected "${expected}", got "${layer.diffId}"`);
  });
}

function find(archive: ScannedArchive, path: string): Scanned | undefined {
  return follow(path, archive.members, archive.links);
}

function need(archive: ScannedArchive, path: string, what: string): Scanned {
  const member = find(archive, path);
  if (member === undefined) throw invalid(`archive does not hold the ${what} "${path.slice(0, 200)}"`);
  return member;
}

function asDocument(member: Scanned, what: string): ScannedDocument {
  if (member.kind === "document") return member;
  throw invalid(
    `archive member ${quoted(what)} ${member.kind === "other" ? member.why : whyNoDocument(member)}`,
  );
}

function whyNoDocument(member: Exclude<Scanned, { readonly kind: "other" }>): string {
  return member.kind === "blob"
    ? `is a document of ${member.blobBytes} bytes, ${MAX_DOCUMENT_BYTES} are allowed`
    : "is not a JSON document";
}

function asLayer(member: Scanned, what: string): ScannedLayer {
  if (member.kind === "layer") return member;
  throw invalid(`archive member ${quoted(what)} ${member.kind === "other" ? member.why : "is not a layer"}`);
}

function quoted(what: string): string {
  return what.includes('"') ? what : `"${what.slice(0, 200)}"`;
}

function invalid(message: string): Error {
  return fail("invalid_argument", message);
}
