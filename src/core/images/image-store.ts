/**
 * Images on metadata, content and snapshots. All that is asked often is answered from memory; the tables and the
 * configuration blobs are read once, at start.
 */
import type { Readable } from "node:stream";
import { fail, messageOf } from "../../base/errors.ts";
import { Limiter } from "../../base/limiter.ts";
import { KeyedLock } from "../../base/keyed-lock.ts";
import type { Logger } from "../../base/log.ts";
import { decodeDocument, MAX_DOCUMENT_BYTES } from "../../specs/oci-image/document.ts";
import { decodeImageConfig, type ImageConfig } from "../../specs/oci-image/image-config.ts";
import { isIndexType, type Platform } from "../../specs/oci-image/manifest.ts";
import {
  familiarReference,
  fullReference,
  parseReference,
  type Reference,
  withDefaultTag,
} from "../../specs/oci-image/reference.ts";
import { DEFAULT_PARTIAL_MAX_AGE_MS } from "../content/content.ts";
import type { Needed } from "../gc/mark.ts";
import { collectGarbage } from "../gc/sweep.ts";
import type { Metadata } from "../metadata/metadata.ts";
import type { Snapshotter } from "../snapshots/snapshotter.ts";
import { loadArchive } from "./archive-load.ts";
import type { KnownLayer } from "./archive-scan.ts";
import { BlobSources } from "./blob-sources.ts";
import { commitImage } from "./commit.ts";
import { StoredImageCare } from "./image-care.ts";
import { type ImageRow, ImageRows, type NameRow } from "./image-rows.ts";
import { ImageTable } from "./image-table.ts";
import type {
  Collected,
  CommitOptions,
  DamagedImage,
  DocumentRef,
  Image,
  ImageCare,
  ImageLayer,
  ImageName,
  ImageNeeds,
  ImageVariant,
  Images,
  ImportOptions,
  LoadedImage,
  PulledImage,
  PullRequest,
  PushedImage,
  PushRequest,
  SelectedImage,
  TransferReport,
} from "./images.ts";
import { LayerDownloads } from "./layer-downloads.ts";
import { importRoot } from "./import.ts";
import type { CompleteImage, MakingDeps } from "./making.ts";
import { imagesOf, named, type NameRules, without } from "./name-rules.ts";
import { neededBy, needsOf } from "./needed.ts";
import { isUnpacked, unpackImage } from "./unpack-image.ts";
import { variantsOf } from "./variants.ts";
import { pullImage } from "./pull.ts";
import { type PushDeps, pushImage } from "./push.ts";
import { saveImages } from "./save.ts";
import { selectImages } from "./select.ts";

export interface ImageDeps extends Omit<MakingDeps, "add"> {
  readonly metadata: Metadata;
  readonly log: Logger;
  /** Read again whenever it matters: both may change. */
  readonly maxDownloads: number;
  readonly maxUploads: number;
  /** How long partial blobs are waited for. */
  readonly partialMaxAgeMs?: number;
}

/** Opens the store: reads what there is, finds out what of it is damaged, and collects what an earlier run left. */
export async function openImages(deps: ImageDeps): Promise<Images> {
  const store = new ImageStore(deps);
  await store.recover();
  return store;
}

class ImageStore implements Images {
  readonly #deps: ImageDeps;
  readonly #rows: ImageRows;
  readonly #table = new ImageTable();
  readonly #lock = new KeyedLock();
  readonly #sources: BlobSources;
  readonly #downloads: LayerDownloads;
  readonly #uploads: Limiter;
  /** Good until the table changes. */
  #needed: { readonly revision: number; readonly needed: Needed } | undefined;

  readonly care: ImageCare;

  constructor(deps: ImageDeps) {
    this.#deps = deps;
    this.#rows = new ImageRows(deps.metadata);
    this.#sources = new BlobSources(deps.metadata);
    this.#downloads = new LayerDownloads({ ...deps, limiter: new Limiter(() => deps.maxDownloads) });
    this.#uploads = new Limiter(() => deps.maxUploads);
    this.care = new StoredImageCare({
      ...deps,
      rows: () => this.#table.rows(),
      needs: (row) => needsOf(row, this.#table.names()),
      refresh: () =>
        this.#refresh(
          this.#table.rows(),
          (row) => this.#table.has(row.id) && this.#table.row(row.id) === row,
        ),
    });
  }

  async recover(): Promise<void> {
    await this.#refresh(this.#rows.images(), () => true);
    for (const name of this.#rows.names()) this.#table.setName(name);
    await this.collect();
  }

  /** Finds out which images are whole; those that were removed or made anew meanwhile are not current any more. */
  async #refresh(rows: readonly ImageRow[], isCurrent: (row: ImageRow) => boolean): Promise<void> {
    const usages = layerSizes(this.#deps.snapshots);
    const names = this.#rows.names();
    for (const row of rows) {
      const config = await this.#readConfig(row);
      if (!isCurrent(row)) continue;
      if (typeof config !== "string") {
        this.#table.enter(this.#withoutLostManifest(row), config, usages);
        continue;
      }
      this.#table.enterDamaged(row, config);
      this.#deps.log.error("an image is damaged: load or pull it again, or remove it", {
        id: row.id,
        names: names
          .filter((name) => imagesOf(name).includes(row.id))
          .map((name) => name.reference)
          .join(" "),
        reason: config,
      });
    }
  }

  /** The configuration of a whole image, or why it is not whole. */
  async #readConfig({ id, layers }: ImageRow): Promise<ImageConfig | string> {
    const { content } = this.#deps;
    for (const { blob } of layers) if (content.stat(blob) === undefined) return `blob "${blob}" is missing`;
    try {
      return decodeDocument("configuration", await content.read(id, MAX_DOCUMENT_BYTES), decodeImageConfig);
    } catch (error) {
      return messageOf(error);
    }
  }

  /** An image runs without its manifest; a push makes another. */
  #withoutLostManifest(row: ImageRow): ImageRow {
    if (row.manifest === undefined || this.#deps.content.stat(row.manifest.digest) !== undefined) return row;
    this.#deps.log.warn("an image has lost its manifest", { id: row.id, manifest: row.manifest.digest });
    return { ...row, manifest: undefined };
  }

  resolve(nameOrId: string, platform?: Platform): Image {
    return this.#table.resolve(nameOrId, platform);
  }

  name(reference: string): ImageName | undefined {
    if (/^[0-9a-f]{64}$/.test(reference)) return undefined;
    const row = this.#table.nameRow(withDefaultTag(parseReference(reference)));
    return row === undefined ? undefined : this.#table.asName(row);
  }

  async unpack(image: Image, signal: AbortSignal): Promise<void> {
    if (isUnpacked(this.#deps, image)) return;
    const startedMs = performance.now();
    await unpackImage(this.#deps, image, signal);
    const ms = Math.round(performance.now() - startedMs);
    this.#deps.log.info("unpacked an image whose layers were not there", { id: image.id, ms });
    // It has its size now.
    if (!this.#table.has(image.id)) return;
    const row = this.#table.row(image.id);
    await this.#refresh([row], () => this.#table.has(row.id) && this.#table.row(row.id) === row);
  }

  async variants(name: ImageName): Promise<readonly ImageVariant[]> {
    return await variantsOf(this.#deps.content, name);
  }

  list(): readonly Image[] {
    return this.#table.list();
  }

  damaged(): readonly DamagedImage[] {
    return this.#table.damaged();
  }

  async load(archive: Readable, signal: AbortSignal, platform?: Platform): Promise<readonly LoadedImage[]> {
    const knownLayer = (digest: string): KnownLayer | undefined =>
      this.#findLayer(({ blob }) => blob === digest);
    return await this.#making(
      async (deps) => await loadArchive({ ...deps, knownLayer, platform }, archive, signal),
    );
  }

  select(names: readonly string[], platform?: Platform): readonly SelectedImage[] {
    const resolve = (name: string): Image => this.#table.resolve(name, platform);
    const name = (reference: string): ImageName | undefined => this.name(reference);
    return selectImages({ list: () => this.#table.list(), resolve, name }, names, platform);
  }

  save(images: readonly SelectedImage[], signal: AbortSignal): AsyncGenerator<Uint8Array> {
    return saveImages(this.#deps, images, signal);
  }

  async import(tar: Readable, options: ImportOptions, signal: AbortSignal): Promise<Image> {
    const { image } = await this.#making(async (deps) => await importRoot(deps, tar, options, signal));
    return image;
  }

  async commit(diff: AsyncIterable<Uint8Array>, options: CommitOptions, signal: AbortSignal): Promise<Image> {
    const { image } = await this.#making(async (deps) => await commitImage(deps, diff, options, signal));
    return image;
  }

  async pull(request: PullRequest, report: TransferReport, signal: AbortSignal): Promise<PulledImage> {
    const known = {
      downloads: this.#downloads,
      placing: this.#lock,
      // One that is not unpacked is had anew, as far as its blobs are not what they were.
      image: (id: string) =>
        this.#table.list().find((image) => image.id === id && isUnpacked(this.#deps, image)),
      layerAt: (chainId: string) => this.#findLayer((layer) => layer.chainId === chainId),
      knowsBlob: (digest: string) => this.#findLayer(({ blob }) => blob === digest) !== undefined,
      imagesOfName: (name: Reference) => this.name(fullReference(name))?.images ?? [],
      log: this.#deps.log,
      remember: (from: Reference, blobs: readonly string[]) => this.#sources.remember(from, blobs),
    };
    return await this.#making(
      async (deps) => await pullImage({ ...deps, ...known }, request, report, signal),
    );
  }

  async push(request: PushRequest, report: TransferReport, signal: AbortSignal): Promise<PushedImage> {
    const { content, leases } = this.#deps;
    const deps: PushDeps = {
      content,
      leases,
      limiter: this.#uploads,
      sourcesOf: (repository, blob) => this.#sources.of(repository, blob),
      remember: (repository, blobs) => this.#sources.remember(repository, blobs),
      setLayers: (image, layers) => this.#setLayers(image, layers),
      setTarget: ({ repository, name }, { digest, mediaType, sizeBytes }) =>
        this.#setTarget(repository.reference, name, { digest, mediaType, sizeBytes }),
    };
    return await this.#making(async () => await pushImage(deps, request, report, signal));
  }

  async #setLayers(image: Image, layers: readonly ImageLayer[]): Promise<Image> {
    const bytes = await this.#deps.content.read(image.id, MAX_DOCUMENT_BYTES);
    const config = decodeDocument("configuration", bytes, decodeImageConfig);
    this.#add([{ id: image.id, config, layers, manifest: image.manifest, names: [] }]);
    return this.#table.get(image.id);
  }

  /** An index that was not pushed stays what the name stands for; the registry then has something else by that tag. */
  #setTarget(reference: Reference, name: ImageName, target: DocumentRef): void {
    const row = this.#table.byReference(fullReference(reference));
    const [shown] = name.images;
    if (row === undefined || row.image !== shown?.id) return;
    const isOther = row.target !== undefined && isIndexType(row.target.mediaType);
    if (isOther && row.target.digest !== target.digest) return;
    this.#writeNames([{ ...row, target, inRegistry: true }]);
  }

  /** Afterwards, what was stored and is of no use goes: all of it when the work failed. */
  async #making<T>(work: (deps: MakingDeps) => Promise<T>): Promise<T> {
    try {
      return await work({ ...this.#deps, add: (images) => this.#add(images) });
    } finally {
      // The images are there, or the error is known: garbage that stays until the next time changes neither.
      await this.collect().catch((error: unknown) =>
        this.#deps.log.error("cannot collect unneeded layers and blobs", { error: messageOf(error) }),
      );
    }
  }

  /** All of them or, when the store fails, none. */
  #add(images: readonly CompleteImage[]): readonly LoadedImage[] {
    const nowMs = Date.now();
    const usages = layerSizes(this.#deps.snapshots);
    const platforms = new Map(images.map(({ id, config }) => [id, config]));
    const rules = this.#rules(platforms);
    const names = new Map<string, NameRow>();
    this.#deps.metadata.transaction("durable", () => {
      for (const { id, layers, manifest, attestations = [] } of images)
        this.#rows.add({ id, layers, manifest, attestations });
      for (const image of images)
        for (const name of image.names) {
          const reference = fullReference(name);
          const before = names.get(reference) ?? this.#table.byReference(reference);
          const { id, target, inRegistry = false } = image;
          names.set(reference, named(before, { reference, image: id, target, inRegistry }, rules));
          this.#rows.taggedAt(id, nowMs);
        }
      for (const row of names.values()) this.#rows.name(row);
    });
    for (const { id, config, layers, manifest, attestations = [], names: given } of images) {
      this.#table.enter({ id, taggedAtMs: 0, layers, manifest, attestations }, config, usages);
      if (given.length > 0) this.#table.setTaggedAt(id, nowMs);
    }
    const takenOver = this.#setNames([...names.values()]);
    return images.map(({ id, names: given }) => ({
      image: this.#table.get(id),
      names: given.map(familiarReference),
      takenOver: given.flatMap((name) => takenOver.get(fullReference(name)) ?? []),
    }));
  }

  /** Tells by full reference which of them lost the image that they showed, with its id. */
  #setNames(rows: readonly NameRow[]): ReadonlyMap<string, { readonly name: string; readonly id: string }> {
    const lost = new Map<string, { readonly name: string; readonly id: string }>();
    for (const row of rows) {
      const before = this.#table.byReference(row.reference);
      this.#table.setName(row);
      if (before === undefined || imagesOf(row).includes(before.image)) continue;
      const name = familiarReference(parseReference(row.reference));
      lost.set(row.reference, { name, id: before.image });
    }
    return lost;
  }

  #rules(adding: ReadonlyMap<string, Platform> = new Map()): NameRules {
    const ofEntered = (id: string): Platform => {
      const image = this.#table.list().find((candidate) => candidate.id === id);
      return image ?? { os: "", architecture: "", variant: "" };
    };
    return {
      host: { os: "linux", architecture: this.#deps.architecture, variant: "" },
      platformOf: (id) => adding.get(id) ?? ofEntered(id),
    };
  }

  tag(image: Image, reference: string, like?: ImageName): void {
    const full = fullReference(tagReference(reference));
    this.#table.get(image.id);
    const nowMs = Date.now();
    const row: NameRow = {
      reference: full,
      image: image.id,
      target: like?.target,
      inRegistry: like?.reference === full && like.inRegistry,
      others: (like?.images ?? []).map(({ id }) => id).filter((id) => id !== image.id),
    };
    this.#deps.metadata.transaction("durable", () => {
      this.#rows.name(row);
      this.#rows.taggedAt(image.id, nowMs);
    });
    this.#table.setName(row);
    this.#table.setTaggedAt(image.id, nowMs);
  }

  untag(reference: string): void {
    const name = withDefaultTag(parseReference(reference));
    const full = fullReference(name.digest === undefined ? name : { ...name, tag: undefined });
    if (this.#table.byReference(full) !== undefined) {
      this.#deps.metadata.transaction("durable", () => this.#rows.unname(full));
      this.#table.unname(full);
      return;
    }
    const forgetting = this.#table.withTarget(name).map((row) => ({ ...row, inRegistry: false }));
    if (forgetting.length === 0) throw fail("not_found", `No such image: ${familiarReference(name)}`);
    this.#writeNames(forgetting);
  }

  untagVariant(reference: string, image: Image): void {
    const full = fullReference(withDefaultTag(parseReference(reference)));
    const row = this.#table.byReference(full);
    if (row === undefined || !imagesOf(row).includes(image.id))
      throw fail("not_found", `No such image: ${reference}`);
    const left = without(row, image.id, this.#rules());
    if (left === undefined) this.untag(full);
    else this.#writeNames([left]);
  }

  #writeNames(rows: readonly NameRow[]): void {
    this.#deps.metadata.transaction("durable", () => {
      for (const row of rows) this.#rows.name(row);
    });
    for (const row of rows) this.#table.setName(row);
  }

  async remove(id: string): Promise<{ readonly removedLayers: readonly string[] }> {
    if (!this.#table.has(id)) throw fail("not_found", `No such image: ${id}`);
    const rules = this.#rules();
    const names = this.#table.names().filter((row) => imagesOf(row).includes(id));
    const changed = names.map((row) => ({ reference: row.reference, left: without(row, id, rules) }));
    this.#deps.metadata.transaction("durable", () => {
      for (const { left } of changed) if (left !== undefined) this.#rows.name(left);
      this.#rows.remove(id);
    });
    this.#table.remove(id);
    for (const { reference, left } of changed)
      if (left === undefined) this.#table.unname(reference);
      else this.#table.setName(left);
    const { removedLayers } = await this.collect();
    return { removedLayers };
  }

  needs(id: string): ImageNeeds {
    return needsOf(this.#table.row(id), this.#table.names());
  }

  async collect(): Promise<Collected> {
    const { content, snapshots, leases, partialMaxAgeMs = DEFAULT_PARTIAL_MAX_AGE_MS } = this.#deps;
    return await this.#lock.run("collect", async () => {
      const needed = (): Needed => this.needed();
      const gone = await collectGarbage({ content, snapshots, leases, needed, partialMaxAgeMs });
      const { layers: removedLayers, blobs: removedBlobs, partials: removedPartials } = gone;
      return { removedLayers, removedBlobs, removedPartials };
    });
  }

  needed(): Needed {
    const { revision } = this.#table;
    if (this.#needed?.revision !== revision)
      this.#needed = { revision, needed: neededBy(this.#table.rows(), this.#table.names()) };
    return this.#needed.needed;
  }

  #findLayer(isWanted: (layer: ImageLayer) => boolean): ImageLayer | undefined {
    for (const row of this.#table.rows()) {
      const layer = row.layers.find(isWanted);
      if (layer !== undefined) return layer;
    }
    return undefined;
  }
}

function layerSizes(snapshots: Snapshotter): ReadonlyMap<string, number> {
  return new Map(snapshots.layers().map(({ chainId, usage }) => [chainId, usage.sizeBytes]));
}

/** A reference that can be given to an image; the refusals are Docker's words. */
function tagReference(text: string): Reference {
  const reference = withDefaultTag(parseReference(text));
  if (reference.digest !== undefined)
    throw fail("invalid_argument", "refusing to create a tag with a digest reference");
  if (reference.domain === "docker.io" && reference.path === "library/sha256")
    throw fail("invalid_argument", "refusing to create an ambiguous tag using digest algorithm as name");
  return reference;
}
