/**
 * Images on metadata, content and snapshots. All that is asked often is answered from memory; the tables and the
 * configuration blobs are read once, at start.
 */
import type { Readable } from "node:stream";
import { fail, messageOf } from "../../base/errors.ts";
import { KeyedLock } from "../../base/keyed-lock.ts";
import type { Logger } from "../../base/log.ts";
import { decodeDocument, MAX_DOCUMENT_BYTES } from "../../specs/oci-image/document.ts";
import { decodeImageConfig, type ImageConfig } from "../../specs/oci-image/image-config.ts";
import {
  familiarReference,
  fullReference,
  parseReference,
  type Reference,
  withDefaultTag,
} from "../../specs/oci-image/reference.ts";
import type { Metadata } from "../metadata/metadata.ts";
import type { Snapshotter } from "../snapshots/snapshotter.ts";
import { loadArchive } from "./archive-load.ts";
import type { KnownLayer } from "./archive-scan.ts";
import { collectGarbage, type Needed } from "./collect.ts";
import { commitImage } from "./commit.ts";
import { ImageRows, type ImageRow } from "./image-rows.ts";
import { ImageTable } from "./image-table.ts";
import type {
  CommitOptions,
  DamagedImage,
  Image,
  Images,
  ImportOptions,
  LoadedImage,
  SelectedImage,
} from "./images.ts";
import { importRoot } from "./import.ts";
import type { CompleteImage, MakingDeps } from "./making.ts";
import { saveImages } from "./save.ts";
import { selectImages } from "./select.ts";

export interface ImageDeps extends Omit<MakingDeps, "add"> {
  readonly metadata: Metadata;
  readonly log: Logger;
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

  constructor(deps: ImageDeps) {
    this.#deps = deps;
    this.#rows = new ImageRows(deps.metadata);
  }

  async recover(): Promise<void> {
    const usages = layerSizes(this.#deps.snapshots);
    for (const row of this.#rows.all()) {
      const config = await this.#readConfig(row);
      if (typeof config !== "string") {
        this.#table.enter(row, config, usages);
        continue;
      }
      this.#table.enterDamaged(row, config);
      this.#deps.log.error("an image is damaged: load or pull it again, or remove it", {
        id: row.id,
        names: row.names.join(" "),
        reason: config,
      });
    }
    await this.collect();
  }

  /** The configuration of a whole image, or why it is not whole. */
  async #readConfig({ id, layers }: ImageRow): Promise<ImageConfig | string> {
    const { content, snapshots } = this.#deps;
    for (const { chainId, blob } of layers) {
      if (!snapshots.hasLayer(chainId)) return `layer "${chainId}" is missing`;
      if (content.stat(blob) === undefined) return `blob "${blob}" is missing`;
    }
    try {
      return decodeDocument("configuration", await content.read(id, MAX_DOCUMENT_BYTES), decodeImageConfig);
    } catch (error) {
      return messageOf(error);
    }
  }

  resolve(nameOrId: string): Image {
    return this.#table.resolve(nameOrId);
  }

  list(): readonly Image[] {
    return this.#table.list();
  }

  damaged(): readonly DamagedImage[] {
    return this.#table.damaged();
  }

  async load(archive: Readable, signal: AbortSignal): Promise<readonly LoadedImage[]> {
    const knownLayer = (blob: string): KnownLayer | undefined => this.#knownLayer(blob);
    return await this.#making(async (deps) => await loadArchive({ ...deps, knownLayer }, archive, signal));
  }

  select(names: readonly string[]): readonly SelectedImage[] {
    return selectImages(
      { list: () => this.#table.list(), resolve: (name) => this.#table.resolve(name) },
      names,
    );
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
    this.#deps.metadata.transaction("durable", () => {
      for (const { id, layers, names } of images) {
        this.#rows.add(id, layers);
        for (const name of names) this.#rows.name(fullReference(name), id, nowMs);
      }
    });
    return images.map(({ id, config, layers, names }) => {
      this.#table.enter({ id, taggedAtMs: 0, layers, names: [] }, config, usages);
      const takenOver = names.flatMap((name) => this.#table.name(name, id, nowMs) ?? []);
      return { image: this.#table.resolve(id), names: names.map(familiarReference), takenOver };
    });
  }

  tag(image: Image, reference: string): void {
    const name = tagReference(reference);
    this.#table.get(image.id);
    const nowMs = Date.now();
    this.#deps.metadata.transaction("durable", () => this.#rows.name(fullReference(name), image.id, nowMs));
    this.#table.name(name, image.id, nowMs);
  }

  untag(reference: string): void {
    const name = withDefaultTag(parseReference(reference));
    const full = fullReference(name);
    if (this.#table.idOf(full) === undefined)
      throw fail("not_found", `No such image: ${familiarReference(name)}`);
    this.#deps.metadata.transaction("durable", () => this.#rows.unname(full));
    this.#table.unname(full);
  }

  async remove(id: string): Promise<{ readonly removedLayers: readonly string[] }> {
    if (!this.#table.has(id)) throw fail("not_found", `No such image: ${id}`);
    this.#deps.metadata.transaction("durable", () => this.#rows.remove(id));
    this.#table.remove(id);
    return await this.collect();
  }

  async collect(): Promise<{ readonly removedLayers: readonly string[] }> {
    const { content, snapshots, leases } = this.#deps;
    return await this.#lock.run("collect", async () => ({
      removedLayers: await collectGarbage({ content, snapshots, leases, needed: () => this.#needed() }),
    }));
  }

  /** Also what damaged images need: the rest of them is kept for their repair. */
  #needed(): Needed {
    const blobs = new Set<string>();
    const layers = new Set<string>();
    for (const row of this.#table.rows()) {
      blobs.add(row.id);
      for (const layer of row.layers) {
        blobs.add(layer.blob);
        layers.add(layer.chainId);
      }
    }
    return { blobs, layers };
  }

  #knownLayer(blob: string): KnownLayer | undefined {
    for (const row of this.#table.rows()) {
      const layer = row.layers.find((candidate) => candidate.blob === blob);
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
