/** Finding out what of images is missing or does not fit together, and unpacking layers again. */
import { fail, messageOf } from "../../base/errors.ts";
import { chainIdsOf } from "../../specs/oci-image/digest.ts";
import { decodeDocument, MAX_DOCUMENT_BYTES } from "../../specs/oci-image/document.ts";
import { decodeImageConfig } from "../../specs/oci-image/image-config.ts";
import type { Content } from "../content/content.ts";
import type { Leases } from "../metadata/leases.ts";
import type { Snapshotter, SnapshotUsage, StagedLayer } from "../snapshots/snapshotter.ts";
import { Expansion, type ExpansionLimits } from "../unpack/expansion.ts";
import { applyStoredLayer } from "../unpack/layer.ts";
import type { ImageRow } from "./image-rows.ts";
import type { ImageCare, ImageFault, ImageLayer, ImageNeeds } from "./images.ts";

export interface ImageCareDeps {
  readonly content: Content;
  readonly snapshots: Snapshotter;
  readonly leases: Leases;
  readonly expansion: ExpansionLimits;
  readonly rows: () => readonly ImageRow[];
  readonly needs: (row: ImageRow) => ImageNeeds;
  readonly refresh: () => Promise<void>;
}

export class StoredImageCare implements ImageCare {
  readonly #deps: ImageCareDeps;

  constructor(deps: ImageCareDeps) {
    this.#deps = deps;
  }

  async faults(signal: AbortSignal): Promise<readonly ImageFault[]> {
    const { content, snapshots, rows, needs } = this.#deps;
    const images = rows();
    const faults: ImageFault[] = [];
    const missing = (kind: ImageFault["kind"], subject: string, what: string): void => {
      if (faults.some((fault) => fault.kind === kind && fault.subject === subject)) return;
      faults.push({ kind, subject, detail: `${what} is missing`, images: this.usersOf(subject) });
    };
    for (const row of images) {
      const { blobs, layers } = needs(row);
      for (const blob of blobs)
        if (content.stat(blob) === undefined) missing("missing-blob", blob, "the blob");
      for (const layer of layers)
        if (!snapshots.hasLayer(layer)) missing("missing-layer", layer, "the layer");
    }
    const parents = new Map(snapshots.layers().map(({ chainId, parent }) => [chainId, parent]));
    for (const row of images) {
      signal.throwIfAborted();
      const detail = await this.#contradiction(row, parents);
      if (detail !== undefined)
        faults.push({ kind: "wrong-image", subject: row.id, detail, images: [row.id] });
    }
    return faults;
  }

  /** Where row, configuration and layers say different things; what is missing contradicts nothing. */
  async #contradiction(
    { id, layers }: ImageRow,
    parents: ReadonlyMap<string, string | undefined>,
  ): Promise<string | undefined> {
    let below: string | undefined;
    const chainIds = chainIdsOf(layers.map(({ diffId }) => diffId));
    for (const [index, { chainId }] of layers.entries()) {
      const right = chainIds[index];
      if (right !== chainId) return `its layer "${chainId}" should be "${right}"`;
      if (parents.has(chainId) && parents.get(chainId) !== below)
        return `layer "${chainId}" stands on "${parents.get(chainId) ?? "nothing"}" instead of "${below ?? "nothing"}"`;
      below = chainId;
    }
    if (this.#deps.content.stat(id) === undefined) return undefined;
    try {
      const bytes = await this.#deps.content.read(id, MAX_DOCUMENT_BYTES);
      const { diffIds } = decodeDocument("configuration", bytes, decodeImageConfig);
      const same =
        diffIds.length === layers.length && diffIds.every((diffId, i) => diffId === layers[i]?.diffId);
      return same ? undefined : "its configuration names other layers than it has";
    } catch (error) {
      return messageOf(error);
    }
  }

  usersOf(digest: string): readonly string[] {
    return this.#deps
      .rows()
      .filter((row) => {
        const { blobs, layers } = this.#deps.needs(row);
        return blobs.includes(digest) || layers.includes(digest);
      })
      .map(({ id }) => id);
  }

  async rebuildLayer(chainId: string, signal: AbortSignal): Promise<void> {
    const { snapshots, leases } = this.#deps;
    const stack = this.#stackOf(chainId);
    const top = stack.at(-1);
    if (top === undefined) throw fail("not_found", `no image has layer "${chainId}"`);
    await using lease = leases.acquire(`repair of layer ${chainId}`);
    for (const layer of stack) lease.holdLayer(layer.chainId);
    const wasThere = snapshots.hasLayer(chainId);
    let parent: string | undefined;
    for (const layer of stack) {
      const fill = (staged: StagedLayer): Promise<SnapshotUsage> => this.#fill(layer, staged, signal);
      await snapshots.createLayer(layer.chainId, parent, fill);
      if (layer !== top) parent = layer.chainId;
    }
    if (!wasThere) return;
    const staged = snapshots.stageLayer();
    try {
      const usage = await this.#fill(top, staged, signal);
      await snapshots.care.replace({ staged, chainId, parent, usage });
    } finally {
      staged.discard();
    }
  }

  async compareLayer(chainId: string, signal: AbortSignal): Promise<string | undefined> {
    const layer = this.#stackOf(chainId).at(-1);
    if (layer === undefined || this.#deps.content.stat(layer.blob) === undefined) return undefined;
    return await this.#deps.snapshots.care.compare(
      chainId,
      (staged) => this.#fill(layer, staged, signal),
      signal,
    );
  }

  async refresh(): Promise<void> {
    await this.#deps.refresh();
  }

  async #fill(layer: ImageLayer, staged: StagedLayer, signal: AbortSignal): Promise<SnapshotUsage> {
    const { content, expansion } = this.#deps;
    return await applyStoredLayer(content, layer, { staged, expansion: new Expansion(expansion) }, signal);
  }

  /** The layer and all below it, base first, of an image that has the layer's blob if there is one. */
  #stackOf(chainId: string): readonly ImageLayer[] {
    const stacks = this.#deps
      .rows()
      .map(({ layers }) => layers.slice(0, layers.findIndex((layer) => layer.chainId === chainId) + 1))
      .filter((stack) => stack.length > 0);
    const isStored = ({ blob }: ImageLayer): boolean => this.#deps.content.stat(blob) !== undefined;
    return stacks.find((stack) => stack.every(isStored)) ?? stacks[0] ?? [];
  }
}
