/** Looking after the committed layers of every storage driver; what the files of one are the driver's format knows. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, fail } from "../../base/errors.ts";
import { isDigest } from "../../specs/oci-image/digest.ts";
import type { LayerCare } from "./layer-care.ts";
import { readMark } from "./layer-mark.ts";
import type { LayerStore } from "./layer-store.ts";
import type { NamedLayer, SnapshotUsage, StagedLayer } from "./snapshotter.ts";
import type { StorageFormat } from "./storage-format.ts";
import type { Trash } from "./trash.ts";

export interface LayerCareOptions {
  readonly root: string;
  readonly layers: LayerStore;
  readonly format: Pick<StorageFormat, "measureLayer" | "fingerprintLayer">;
  readonly trash: Trash;
  /** A container's root is here, or about to be. */
  readonly isActive: (id: string) => boolean;
}

export class StoredLayerCare implements LayerCare {
  readonly #options: LayerCareOptions;

  constructor(options: LayerCareOptions) {
    this.#options = options;
  }

  async check(chainId: string, signal: AbortSignal): Promise<string | undefined> {
    const { layers, format } = this.#options;
    const layer = layers.get(chainId);
    if (layer === undefined) return undefined;
    const path = layers.path(chainId);
    const mark = readMark(path);
    if (mark === undefined) return this.#unlessGone(chainId, "its mark is missing or unreadable");
    if (mark.parent !== layer.parent)
      return this.#unlessGone(chainId, `its mark says that it stands on "${mark.parent ?? "nothing"}"`);
    if (layer.parent !== undefined && layers.get(layer.parent) === undefined)
      return this.#unlessGone(chainId, `layer "${layer.parent}" below it is missing`);
    return await this.#unlessFilesMissing(chainId, async () => {
      const usage = await format.measureLayer(path, signal);
      const { sizeBytes, inodes } = layer.usage;
      if (usage === undefined || (usage.sizeBytes === sizeBytes && usage.inodes === inodes)) return undefined;
      return `it holds ${usage.inodes} files of ${usage.sizeBytes} bytes instead of ${inodes} of ${sizeBytes}`;
    });
  }

  async compare(
    chainId: string,
    fill: (staged: StagedLayer) => Promise<SnapshotUsage>,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { layers, format } = this.#options;
    const layer = layers.get(chainId);
    if (layer === undefined) return undefined;
    const staged = layers.stage();
    try {
      const usage = await fill(staged);
      await layers.settle({ staged, chainId, parent: layer.parent, usage });
      const right = await format.fingerprintLayer(staged.path, signal);
      return await this.#unlessFilesMissing(chainId, async () =>
        right === (await format.fingerprintLayer(layers.path(chainId), signal))
          ? undefined
          : "its files are not those of its blob",
      );
    } finally {
      staged.discard();
    }
  }

  async replace(layer: NamedLayer): Promise<void> {
    await this.#options.layers.replace(layer);
  }

  /** A layer that is being committed has its mark already; one that is not marked was never committed. */
  strangers(): readonly string[] {
    const { root, layers, isActive } = this.#options;
    const isLayer = (name: string): boolean =>
      isDigest(`sha256:${name}`) &&
      (layers.get(`sha256:${name}`) !== undefined || readMark(join(root, "layers", name)) !== undefined);
    return [
      ...readdirSync(join(root, "layers"))
        .filter((name) => !isLayer(name))
        .map((name) => join(root, "layers", name)),
      ...readdirSync(join(root, "active"))
        .filter((name) => !isActive(name))
        .map((name) => join(root, "active", name)),
    ];
  }

  discardStranger(path: string): void {
    if (!this.strangers().includes(path)) throw fail("not_found", `"${path}" is no stranger`);
    this.#options.trash.take(path);
  }

  async #unlessFilesMissing(
    chainId: string,
    look: () => Promise<string | undefined>,
  ): Promise<string | undefined> {
    try {
      const problem = await look();
      return problem === undefined ? undefined : this.#unlessGone(chainId, problem);
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
      return this.#unlessGone(chainId, "its files are missing");
    }
  }

  /** What was seen of a layer while it was being deleted means nothing. */
  #unlessGone(chainId: string, problem: string): string | undefined {
    return this.#options.layers.get(chainId) === undefined ? undefined : problem;
  }
}
