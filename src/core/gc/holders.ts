/**
 * Who holds each layer and blob of a store, to tell what would go with an image. Built once in time linear in all that
 * there is; taking images away one after the other then costs what goes.
 */
import type { BlobInfo } from "../content/content.ts";
import type { CommittedLayer } from "../snapshots/snapshotter.ts";

export interface HeldImage {
  readonly id: string;
  readonly needs: { readonly blobs: readonly string[]; readonly layers: readonly string[] };
}

export interface HoldersView {
  readonly images: readonly HeldImage[];
  readonly layers: readonly CommittedLayer[];
  readonly blobs: readonly BlobInfo[];
  /** Layers that stay whatever happens to images: what containers stand on, what is leased. */
  readonly heldLayers: readonly (string | undefined)[];
}

export interface Released {
  /** chainIDs, topmost first. */
  readonly layers: readonly string[];
  readonly blobs: readonly string[];
  readonly layerBytes: number;
  readonly blobBytes: number;
}

export class Holders {
  readonly #images = new Map<string, HeldImage>();
  readonly #layers: ReadonlyMap<string, CommittedLayer>;
  readonly #blobs: ReadonlyMap<string, number>;
  /** Images that need each layer and blob. Two maps: the digest of a layer may be that of its blob. */
  readonly #layerHolds = new Map<string, number>();
  readonly #blobHolds = new Map<string, number>();
  /** Layers, containers and leases that stand on each layer. */
  readonly #stands = new Map<string, number>();

  constructor(view: HoldersView) {
    this.#layers = new Map(view.layers.map((layer) => [layer.chainId, layer]));
    this.#blobs = new Map(view.blobs.map(({ digest, sizeBytes }) => [digest, sizeBytes]));
    for (const { parent } of view.layers) if (parent !== undefined) add(this.#stands, parent, 1);
    for (const chainId of view.heldLayers) if (chainId !== undefined) add(this.#stands, chainId, 1);
    for (const image of view.images) {
      this.#images.set(image.id, image);
      this.#count(image, 1);
    }
  }

  /** Images that hold the layer. */
  holdersOf(chainId: string): number {
    return this.#layerHolds.get(chainId) ?? 0;
  }

  /** Takes an image away: what nobody holds any more. Nothing for one that is not there. */
  release(id: string): Released {
    const image = this.#images.get(id);
    if (image === undefined) return { layers: [], blobs: [], layerBytes: 0, blobBytes: 0 };
    this.#images.delete(id);
    this.#count(image, -1);
    const layers = this.#fallen(image.needs.layers);
    const blobs = [...new Set(image.needs.blobs)].filter(
      (digest) => this.#blobs.has(digest) && (this.#blobHolds.get(digest) ?? 0) === 0,
    );
    return {
      layers,
      blobs,
      layerBytes: layers.reduce((sum, chainId) => sum + (this.#layers.get(chainId)?.usage.sizeBytes ?? 0), 0),
      blobBytes: blobs.reduce((sum, digest) => sum + (this.#blobs.get(digest) ?? 0), 0),
    };
  }

  #count({ needs }: HeldImage, by: number): void {
    for (const chainId of new Set(needs.layers)) add(this.#layerHolds, chainId, by);
    for (const digest of new Set(needs.blobs)) add(this.#blobHolds, digest, by);
  }

  /** Topmost first: a layer falls when no image holds it and nothing stands on it. */
  #fallen(baseFirst: readonly string[]): readonly string[] {
    const fallen: string[] = [];
    for (const chainId of baseFirst.toReversed()) {
      const layer = this.#layers.get(chainId);
      if (layer === undefined || this.holdersOf(chainId) > 0 || (this.#stands.get(chainId) ?? 0) > 0)
        continue;
      fallen.push(chainId);
      if (layer.parent !== undefined) add(this.#stands, layer.parent, -1);
    }
    return fallen;
  }
}

function add(counts: Map<string, number>, key: string, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}
