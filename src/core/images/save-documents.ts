/**
 * What a saved archive says of its images, twice: as an OCI layout (index.json, oci-layout, manifests) for who reads those, and
 * as Docker's archive (manifest.json, repositories), both pointing at the same blobs. Pure.
 */
import { decodeDocument } from "../../specs/oci-image/document.ts";
import { sha256Of, hexOf } from "../../specs/oci-image/digest.ts";
import { familiarReference, parseReference } from "../../specs/oci-image/reference.ts";
import { decodeIndex, isIndexType } from "../../specs/oci-image/manifest.ts";
import type { Image, ImageLayer, ImageName, SelectedImage } from "./images.ts";

export interface Document {
  readonly name: string;
  readonly bytes: Buffer;
}

const INDEX_TYPE = "application/vnd.oci.image.index.v1+json";
const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar";

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

export function blobName(digest: string): string {
  return `blobs/sha256/${hexOf(digest)}`;
}

export interface SaveDocuments {
  /** Manifests and indexes by digest; every one of them a blob of the archive. */
  readonly documents: ReadonlyMap<string, Buffer>;
  /** What lies beside the blobs, sorted. */
  readonly files: readonly Document[];
}

/**
 * `configBytes`: the size of an image's configuration. `known`: the manifests that images came by and the indexes that names
 * stand for, by digest; one is made for what is without.
 */
export function saveDocuments(
  selected: readonly SelectedImage[],
  configBytes: (id: string) => number,
  known: ReadonlyMap<string, Buffer>,
): SaveDocuments {
  const documents = new Map<string, Buffer>();
  const enter = (mediaType: string, bytes: Buffer): Descriptor => {
    const digest = sha256Of(bytes);
    documents.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const manifest = (image: Image): Descriptor => {
    const itsOwn = image.manifest === undefined ? undefined : known.get(image.manifest.digest);
    if (itsOwn !== undefined) return enter(image.manifest?.mediaType ?? MANIFEST_TYPE, itsOwn);
    return enter(MANIFEST_TYPE, encode(manifestOf(image, configBytes(image.id))));
  };
  const index = ({ target, images }: ImageName): Descriptor => {
    const here = images.map((image) => ({ ...manifest(image), platform: platformOf(image) }));
    const itsOwn = target === undefined ? undefined : known.get(target.digest);
    if (target !== undefined && itsOwn !== undefined && offersAll(target.mediaType, itsOwn, here))
      return enter(target.mediaType, itsOwn);
    return enter(INDEX_TYPE, encode({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests: here }));
  };
  const entries = selected.flatMap(({ image, names, severalPlatforms }) => {
    const several = new Set(severalPlatforms.map(({ reference }) => reference));
    const one = names.filter((name) => !several.has(name));
    return [
      ...(names.length > 0 && one.length === 0 ? [] : indexEntries(manifest(image), one)),
      ...severalPlatforms.flatMap((name) => indexEntries(index(name), [name.reference])),
    ];
  });
  const repositories = repositoriesOf(selected);
  return {
    documents,
    files: [
      {
        name: "index.json",
        bytes: encode({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests: entries }),
      },
      { name: "manifest.json", bytes: encode(selected.map((each) => archiveEntry(each))) },
      { name: "oci-layout", bytes: encode({ imageLayoutVersion: "1.0.0" }) },
      ...(repositories === undefined ? [] : [{ name: "repositories", bytes: encode(repositories) }]),
    ],
  };
}

function platformOf({ os, architecture, variant }: Image): unknown {
  return { architecture, os, ...(variant === "" ? {} : { variant }) };
}

/** Whether an index is one, and has everything that is here. */
function offersAll(mediaType: string, bytes: Buffer, here: readonly Descriptor[]): boolean {
  if (!isIndexType(mediaType)) return false;
  const offered = new Set(decodeDocument("index", bytes, decodeIndex).manifests.map(({ digest }) => digest));
  return here.every(({ digest }) => offered.has(digest));
}

function encode(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function manifestOf(image: Image, configBytes: number): unknown {
  return {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: { mediaType: CONFIG_TYPE, digest: image.id, size: configBytes },
    layers: image.layers.map((layer) => layerDescriptor(layer)),
  };
}

/** Docker's own types of layers are the specification's by other names. */
function layerDescriptor({ blob, mediaType, sizeBytes }: ImageLayer): Descriptor {
  const compression = /[.+](gzip|zstd)$/.exec(mediaType)?.[1];
  return {
    mediaType: compression === undefined ? LAYER_TYPE : `${LAYER_TYPE}+${compression}`,
    digest: blob,
    size: sizeBytes,
  };
}

/** One entry a name, as containerd and Docker write them. */
function indexEntries(descriptor: Descriptor, names: readonly string[]): readonly unknown[] {
  if (names.length === 0) return [descriptor];
  return names.map((name) => ({
    ...descriptor,
    annotations: {
      "io.containerd.image.name": name,
      "org.opencontainers.image.ref.name": parseReference(name).tag ?? "",
    },
  }));
}

function archiveEntry({ image, names }: SelectedImage): unknown {
  return {
    Config: blobName(image.id),
    RepoTags: names.length === 0 ? null : names.map((name) => familiarReference(parseReference(name))),
    Layers: image.layers.map(({ blob }) => blobName(blob)),
    LayerSources: Object.fromEntries(image.layers.map((layer) => [layer.diffId, layerDescriptor(layer)])),
  };
}

/** For readers older than manifest.json: name → tag → topmost layer. undefined when nothing has a name. */
function repositoriesOf(selected: readonly SelectedImage[]): unknown {
  const repositories = new Map<string, Map<string, string>>();
  for (const { image, names } of selected)
    for (const name of names) {
      const familiar = familiarReference(parseReference(name));
      const colon = familiar.lastIndexOf(":");
      const repository = familiar.slice(0, colon);
      const tags = repositories.get(repository) ?? new Map<string, string>();
      const top = image.layers.at(-1);
      if (top !== undefined) tags.set(familiar.slice(colon + 1), hexOf(top.blob));
      repositories.set(repository, tags);
    }
  if (repositories.size === 0) return undefined;
  return Object.fromEntries([...repositories].map(([name, tags]) => [name, Object.fromEntries(tags)]));
}
