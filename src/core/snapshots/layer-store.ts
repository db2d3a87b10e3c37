/**
 * The committed layers of every storage driver: made in staging, marked, synced together with the mark, and renamed into
 * layers/. So a name below layers/ is a promise, and everything in staging/ is garbage to the next start.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, renameSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory } from "../../base/sync-directory.ts";
import { fail, type GantryError } from "../../base/errors.ts";
import { KeyedLock } from "../../base/keyed-lock.ts";
import type { Logger } from "../../base/log.ts";
import { hexOf } from "../../specs/oci-image/digest.ts";
import { encodeMark, type LayerMark, readMarks } from "./layer-mark.ts";
import {
  type CommittedLayer,
  MAX_LAYERS,
  type NamedLayer,
  type SnapshotUsage,
  type StagedLayer,
} from "./snapshotter.ts";
import type { StorageFormat } from "./storage-format.ts";
import type { Trash } from "./trash.ts";

export interface Layer extends CommittedLayer {
  /** How many layers the stack has that ends with it. */
  readonly depth: number;
  /** Layers and active snapshots that stand on it. */
  users: number;
}

export interface LayersOptions {
  readonly root: string;
  readonly trash: Trash;
  readonly format: Pick<StorageFormat, "makeLayer" | "applyLayer" | "settleLayer">;
  readonly syncFilesystem: (path: string) => Promise<void>;
}

class StagedDirectory implements StagedLayer {
  readonly path: string;
  readonly #format: LayersOptions["format"];
  readonly #trash: Trash;

  constructor(path: string, format: LayersOptions["format"], trash: Trash) {
    this.path = path;
    this.#format = format;
    this.#trash = trash;
  }

  async apply(tar: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<SnapshotUsage> {
    return await this.#format.applyLayer(this.path, tar, signal);
  }

  /** Once it was committed the path is gone, which the trash takes for granted. */
  discard(): void {
    this.#trash.take(this.path);
  }
}

function pathOf(staged: StagedLayer): string {
  if (!(staged instanceof StagedDirectory)) throw fail("internal", "a layer that was staged elsewhere");
  return staged.path;
}

export class LayerStore {
  readonly #root: string;
  readonly #trash: Trash;
  readonly #options: LayersOptions;
  readonly #layers = new Map<string, Layer>();
  readonly #lock = new KeyedLock();

  constructor(options: LayersOptions) {
    this.#root = options.root;
    this.#trash = options.trash;
    this.#options = options;
  }

  get(chainId: string): Layer | undefined {
    return this.#layers.get(chainId);
  }

  all(): readonly Layer[] {
    return [...this.#layers.values()];
  }

  path(chainId: string): string {
    return join(this.#root, "layers", hexOf(chainId));
  }

  /** Counts one more that stands on a layer; a missing one has nothing to count. */
  hold(chainId: string | undefined): void {
    const layer = chainId === undefined ? undefined : this.#layers.get(chainId);
    if (layer !== undefined) layer.users++;
  }

  release(chainId: string | undefined): void {
    const layer = chainId === undefined ? undefined : this.#layers.get(chainId);
    if (layer !== undefined) layer.users--;
  }

  /** The paths of a layer and of all below it, topmost first. */
  pathsDownFrom(top: string | undefined): readonly string[] {
    return this.chainOf(top).map((chainId) => this.path(chainId));
  }

  chainOf(top: string | undefined): readonly string[] {
    const chain: string[] = [];
    for (let at = top; at !== undefined; at = this.#layers.get(at)?.parent) chain.push(at);
    return chain;
  }

  stage(): StagedDirectory {
    const path = join(this.#root, "staging", randomBytes(8).toString("hex"));
    try {
      mkdirSync(path, { mode: 0o700 });
      this.#options.format.makeLayer(path);
    } catch (error) {
      this.#trash.take(path);
      throw error;
    }
    return new StagedDirectory(path, this.#options.format, this.#trash);
  }

  async commit(layers: readonly NamedLayer[]): Promise<void> {
    if (layers.length === 0) return;
    await this.#settle(layers);
    await Promise.all(
      layers.map(({ staged, parent, usage }) =>
        writeFile(join(pathOf(staged), "complete"), encodeMark({ parent, usage }), { mode: 0o600 }),
      ),
    );
    await this.#options.syncFilesystem(join(this.#root, "staging"));
    await this.#lock.run("commit", () => this.#place(layers));
  }

  /**
   * Exchanges the files of a layer for others. Between the two renames a crash leaves the layer missing, which is what it
   * was as good as before.
   */
  async replace(replacement: NamedLayer): Promise<void> {
    const { staged, chainId, parent, usage } = replacement;
    await this.settle(replacement);
    await writeFile(join(pathOf(staged), "complete"), encodeMark({ parent, usage }), { mode: 0o600 });
    await this.#options.syncFilesystem(join(this.#root, "staging"));
    await this.#lock.run("commit", async () => {
      const layer = this.#layers.get(chainId);
      if (layer === undefined || layer.parent !== parent)
        throw fail("not_found", `layer "${chainId}" on "${parent ?? "nothing"}" does not exist`);
      this.#trash.take(this.path(chainId));
      renameSync(pathOf(staged), this.path(chainId));
      this.#layers.set(chainId, { ...layer, usage });
      await syncDirectory(join(this.#root, "layers"));
    });
  }

  /** Finishes one staged layer on its committed parent. */
  async settle(layer: NamedLayer): Promise<void> {
    await this.#settle([layer]);
  }

  /** Base first: a parent may be one of these. The missing are found out when the layers are placed. */
  async #settle(layers: readonly NamedLayer[]): Promise<void> {
    const here = new Map<string, string>();
    for (const { chainId, parent, staged } of layers) {
      const path = pathOf(staged);
      const below = parent === undefined ? undefined : (here.get(parent) ?? this.#placedPath(parent));
      this.hold(parent);
      try {
        await this.#options.format.settleLayer(path, below);
      } finally {
        this.release(parent);
      }
      if (!here.has(chainId)) here.set(chainId, path);
    }
  }

  #placedPath(chainId: string): string | undefined {
    return this.#layers.has(chainId) ? this.path(chainId) : undefined;
  }

  /** One at a time, so that a layer of two commits is placed once; known to others only when it cannot be lost. */
  async #place(layers: readonly NamedLayer[]): Promise<void> {
    const placed = new Map<string, NamedLayer & { readonly depth: number }>();
    try {
      for (const layer of layers) {
        const { chainId, parent, staged } = layer;
        if (this.#layers.has(chainId) || placed.has(chainId)) {
          staged.discard();
          continue;
        }
        const below = parent === undefined ? undefined : placed.get(parent)?.depth;
        const depth = below === undefined ? this.checkPlace(chainId, parent) : below + 1;
        if (depth > MAX_LAYERS) throw tooDeep();
        renameSync(pathOf(staged), this.path(chainId));
        placed.set(chainId, { ...layer, depth });
        this.hold(parent);
      }
    } finally {
      await this.#enterPlaced([...placed.values()]);
    }
  }

  async #enterPlaced(placed: readonly NamedLayer[]): Promise<void> {
    try {
      await syncDirectory(join(this.#root, "layers"));
      for (const { chainId, parent, usage } of placed) this.#enter(chainId, { parent, usage });
    } catch (error) {
      for (const { chainId } of placed) this.#trash.take(this.path(chainId));
      throw error;
    } finally {
      // What #place held while the layer was on disk and not yet entered.
      for (const { parent } of placed) this.release(parent);
    }
  }

  /** The height of the stack with `chainId` on top of `parent`; throws when it cannot stand there. */
  checkPlace(chainId: string, parent: string | undefined): number {
    hexOf(chainId);
    if (parent === undefined) return 1;
    const below = this.#layers.get(parent);
    if (below === undefined) throw fail("not_found", `layer "${parent}" below "${chainId}" does not exist`);
    if (below.depth >= MAX_LAYERS) throw tooDeep();
    return below.depth + 1;
  }

  #enter(chainId: string, mark: LayerMark): void {
    const below = mark.parent === undefined ? undefined : this.#layers.get(mark.parent);
    this.hold(mark.parent);
    this.#layers.set(chainId, {
      chainId,
      parent: mark.parent,
      usage: mark.usage,
      depth: (below?.depth ?? 0) + 1,
      users: 0,
    });
  }

  /** At once, for whoever looks; the files go later. */
  remove(chainId: string): void {
    const layer = this.#layers.get(chainId);
    if (layer === undefined) return;
    if (layer.users > 0) throw fail("conflict", `layer "${chainId}" is in use by ${layer.users} others`);
    this.#trash.take(this.path(chainId));
    this.#layers.delete(chainId);
    this.release(layer.parent);
  }

  recover(log: Logger): void {
    const staged = readdirSync(join(this.#root, "staging"));
    for (const name of staged) this.#trash.take(join(this.#root, "staging", name));
    if (staged.length > 0) log.info("deleting unfinished layers of an earlier run", { count: staged.length });
    const { marks, unmarked } = readMarks(join(this.#root, "layers"));
    // A layer is entered after its parent; one that never can be stands on something that is gone.
    for (let entered = -1; entered !== this.#layers.size; ) {
      entered = this.#layers.size;
      for (const [chainId, mark] of marks) {
        if (mark.parent !== undefined && !this.#layers.has(mark.parent)) continue;
        this.#enter(chainId, mark);
        marks.delete(chainId);
      }
    }
    for (const name of [...unmarked, ...[...marks.keys()].map(hexOf)]) {
      log.warn("deleting a layer without its mark or its parent", { name });
      this.#trash.take(join(this.#root, "layers", name));
    }
  }
}

function tooDeep(): GantryError {
  // Docker's words (layer.ErrMaxDepthExceeded).
  return fail("invalid_argument", "max depth exceeded");
}
