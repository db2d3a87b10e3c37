/**
 * From what an archive holds to what shall be made of it. Pure: the same members always give the same plan or the same
 * error.
 */
import { fail } from "../../base/errors.ts";
import { decodeDocument } from "../../specs/oci-image/document.ts";
import { decodeImageConfig, type ImageConfig } from "../../specs/oci-image/image-config.ts";
import {
  decodeArchiveManifest,
  decodeIndex,
  decodeManifest,
  type Descriptor,
  isIndexType,
  isManifestType,
  type Platform,
} from "../../specs/oci-image/manifest.ts";
import { parseReference, type Reference, withDefaultTag } from "../../specs/oci-image/reference.ts";
import { follow } from "./archive-names.ts";
import type { Scanned, ScannedArchive, ScannedDocument, ScannedLayer } from "./archive-scan.ts";

export interface PlannedImage {
  readonly config: ImageConfig;
  /** The configuration as it is stored; its digest is the image's id. */
  readonly document: Pick<ScannedDocument, "bytes" | "digest">;
  /** Base first, one per diffID of the configuration, each with that diffID. */
  readonly layers: readonly ScannedLayer[];
  readonly names: readonly Reference[];
}

/** `os` and `architecture` of this host, for archives that hold an image for several. Throws `invalid_argument`. */
export function planArchive(
  archive: ScannedArchive,
  host: Pick<Platform, "os" | "architecture">,
): readonly PlannedImage[] {
  const manifest = find(archive, "manifest.json");
  if (manifest !== undefined) return planDockerArchive(archive, asDocument(manifest, "manifest.json"));
  const index = find(archive, "index.json");
  if (index !== undefined) return planLayout(archive, asDocument(index, "index.json"), host);
  throw fail("invalid_argument", "archive holds no image: neither manifest.json nor index.json is in it");
}

function planDockerArchive(archive: ScannedArchive, document: ScannedDocument): readonly PlannedImage[] {
  const entries = decodeDocument("manifest.json", document.bytes, decodeArchiveManifest);
  return entries.map((entry) => {
    const member = asDocument(need(archive, entry.config, "configuration"), entry.config);
    const config = decodeConfig(entry.config, member);
    // Docker's words.
    if (entry.layers.length !== config.diffIds.length)
      throw invalid(
        `invalid manifest, layers length mismatch: expected ${entry.layers.length}, got ${config.diffIds.length}`,
      );
    const layers = entry.layers.map((path) => asLayer(need(archive, path, "layer"), path));
    checkDiffIds(layers, config);
    return { config, document: member, layers, names: entry.repoTags.map(tagOf) };
  });
}

function planLayout(
  archive: ScannedArchive,
  document: ScannedDocument,
  host: Pick<Platform, "os" | "architecture">,
): readonly PlannedImage[] {
  const blobs = new Map<string, Scanned>();
  for (const member of archive.members.values()) {
    if (member.kind === "layer") blobs.set(member.blob, member);
    if (member.kind === "document") blobs.set(member.digest, member);
  }
  const { manifests } = decodeDocument("index.json", document.bytes, decodeIndex);
  const layout = new Layout(blobs, host);
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
  readonly #host: Pick<Platform, "os" | "architecture">;

  constructor(blobs: ReadonlyMap<string, Scanned>, host: Pick<Platform, "os" | "architecture">) {
    this.#blobs = blobs;
    this.#host = host;
  }

  /** Of the descriptors with the same names only the one for this host; descriptors without platform are all meant. */
  choose(descriptors: readonly Descriptor[]): readonly Descriptor[] {
    const images = descriptors.filter((descriptor) => !isAttestation(descriptor));
    const groups = Map.groupBy(images, (descriptor) => referencesIn(descriptor).join(" "));
    return [...groups.values()].flatMap((group) => this.#chooseOne(group));
  }

  #chooseOne(group: readonly Descriptor[]): readonly Descriptor[] {
    if (group.length === 1 || !group.every((descriptor) => descriptor.platform !== undefined)) return group;
    const [best] = this.#forHost(group);
    if (best === undefined) throw this.#noMatch(group);
    return [best];
  }

  plan(descriptor: Descriptor, names: readonly Reference[], depth = 0): readonly PlannedImage[] {
    const what = `blob "${descriptor.digest}"`;
    const { bytes } = asDocument(this.#blob(descriptor, what), what);
    if (isIndexType(descriptor.mediaType)) {
      if (depth === MAX_INDEX_DEPTH) throw invalid(`index "${descriptor.digest}" is nested too deeply`);
      const { manifests } = decodeDocument(what, bytes, decodeIndex);
      const images = manifests.filter((manifest) => !isAttestation(manifest));
      const chosen = images.length === 1 ? images[0] : this.#forHost(images)[0];
      if (chosen === undefined) throw this.#noMatch(images);
      return this.plan(chosen, names, depth + 1);
    }
    if (!isManifestType(descriptor.mediaType))
      throw invalid(`unsupported media type "${descriptor.mediaType.slice(0, 200)}" of ${what}`);
    return [this.#planManifest(what, bytes, names)];
  }

  #planManifest(what: string, bytes: Buffer, names: readonly Reference[]): PlannedImage {
    const manifest = decodeDocument(what, bytes, decodeManifest);
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
    return { config, document, layers, names };
  }

  #blob(descriptor: Descriptor, what: string): Scanned {
    const member = this.#blobs.get(descriptor.digest);
    if (member === undefined) throw invalid(`archive does not hold ${what}`);
    const sizeBytes =
      member.kind === "layer" ? member.blobBytes : member.kind === "document" ? member.bytes.length : 0;
    if (sizeBytes !== descriptor.sizeBytes)
      throw invalid(`${what} has ${sizeBytes} bytes instead of ${descriptor.sizeBytes}`);
    return member;
  }

  #forHost(descriptors: readonly Descriptor[]): readonly Descriptor[] {
    const { os, architecture } = this.#host;
    return descriptors.filter(
      ({ platform }) => platform?.os === os && platform.architecture === architecture,
    );
  }

  #noMatch(descriptors: readonly Descriptor[]): Error {
    const offered = descriptors.map(({ platform }) => `${platform?.os}/${platform?.architecture}`).join(", ");
    const wanted = `${this.#host.os}/${this.#host.architecture}`;
    return invalid(`archive holds no image for platform ${wanted}, only for ${offered.slice(0, 200)}`);
  }
}

/** What BuildKit puts beside an image to tell how it was made: a manifest, but no image. */
function isAttestation(descriptor: Descriptor): boolean {
  return (
    descriptor.platform?.os === "unknown" ||
    descriptor.annotations["vnd.docker.reference.type"] === "attestation-manifest"
  );
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
    `archive member ${quoted(what)} ${member.kind === "other" ? member.why : "is not a JSON document"}`,
  );
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
