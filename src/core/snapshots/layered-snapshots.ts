/**
 * Snapshots of any storage driver:
 *
 *     layers/<chainID hex>/{…,complete}   committed layers; the mark names the parent and the usage
 *     staging/<random>/…                  layers being made, and scratch directories
 *     active/<id>/{parent,ids,mapping,…}  containers' roots; `parent` is a symbolic link whose text is the chainID; of those
 *                                         with other owners alone, `ids` is one whose text names what `mapping` holds
 *     trash/<random>                      what is being deleted
 *
 * `…` is the driver's own (storage-format.ts). `prepare` syncs nothing: a container that goes when it ends has no use for
 * directories that survive a power cut. For the others there is `persist`.
 */
import { mkdirSync, readdirSync, readlinkSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { syncDirectory, syncDirectorySync } from "../../base/sync-directory.ts";
import { isDiskFull } from "../../base/disk-full.ts";
import { errnoOf, fail, GantryError, messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Native, TreeChange, TreeDifference, TreeView } from "../../linux/native.ts";
import { readMapping, wholeTree, writeMapping, writtenIn } from "./active-trees.ts";
import type { LayerCare } from "./layer-care.ts";
import { LayerStore } from "./layer-store.ts";
import { ProjectQuotas, type QuotaNative } from "./project-quotas.ts";
import { RootSizes } from "./root-sizes.ts";
import { makeScratch } from "./scratch.ts";
import { shiftKey } from "./shift-key.ts";
import type {
  CommittedLayer,
  IdShift,
  NamedLayer,
  RootfsMount,
  Scratch,
  Snapshotter,
  SnapshotUsage,
  StagedLayer,
} from "./snapshotter.ts";
import { StoredLayerCare } from "./stored-layer-care.ts";
import type { ActivePlace, LayerPlace, StorageFormat } from "./storage-format.ts";
import type { Trash } from "./trash.ts";

/** The text of the `parent` link of a snapshot without one. */
const NO_PARENT = "none";

/** Container ids, and nothing that could be a path. */
const ACTIVE_ID = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/;

interface Active {
  readonly parent: string | undefined;
  readonly shiftedBy: string | undefined;
}

export type ReadingNative = Pick<Native, "packRoot" | "packDiff" | "treeChanges">;

export interface LayeredOptions {
  /** Exists, with what the format needs in it. */
  readonly root: string;
  readonly format: StorageFormat;
  readonly trash: Trash;
  readonly native: Pick<Native, "syncFilesystem" | "spreadChildren"> & ReadingNative & QuotaNative;
  readonly log: Logger;
  /** What the daemon is told about the driver, "key=value". */
  readonly options: readonly string[];
}

/** What is below a driver's root besides its own. */
export function makeRoot(root: string): void {
  for (const name of ["layers", "staging", "active"])
    mkdirSync(join(root, name), { recursive: true, mode: 0o700 });
}

/** Takes over what is there, and starts to delete what a crash left half-made. */
export class LayeredSnapshots implements Snapshotter {
  readonly driver: string;
  readonly care: LayerCare;
  readonly #root: string;
  readonly #format: StorageFormat;
  readonly #trash: Trash;
  readonly #native: ReadingNative;
  readonly #log: Logger;
  readonly #quotas: ProjectQuotas;
  readonly #sizes: RootSizes;
  readonly #layers: LayerStore;
  readonly #active = new Map<string, Active>();
  readonly #preparing = new Set<string>();
  readonly #creating = new Map<string, Promise<void>>();

  constructor({ root, format, trash, native, log, options }: LayeredOptions) {
    this.#root = root;
    this.#format = format;
    this.driver = format.driver;
    this.#trash = trash;
    this.#native = native;
    this.#log = log;
    this.#quotas = new ProjectQuotas(join(root, "active"), native);
    this.#sizes = new RootSizes(format.driver, this.#quotas, options);
    syncDirectorySync(root);
    // ext4 reuses no inode within half a minute of its deletion, and to find another it walks over all of them, for every file:
    // in the block group of a tree that was just deleted, 5,000 files took 1.5 to 4.8 seconds instead of 0.35. So each layer
    // has a group of its own.
    native.spreadChildren(join(root, "staging"));
    const syncFilesystem = (path: string): Promise<void> => native.syncFilesystem(path);
    this.#layers = new LayerStore({ root, trash, format, syncFilesystem });
    this.#layers.recover(log);
    this.#recoverActive(log);
    const isActive = (id: string): boolean => this.#active.has(id) || this.#preparing.has(id);
    this.care = new StoredLayerCare({ root, layers: this.#layers, format, trash, isActive });
  }

  hasLayer(chainId: string): boolean {
    return this.#layers.get(chainId) !== undefined;
  }

  layers(): readonly CommittedLayer[] {
    return this.#layers.all().map(({ chainId, parent, usage }) => ({ chainId, parent, usage }));
  }

  active(): readonly { readonly id: string; readonly parent: string | undefined }[] {
    return [...this.#active].map(([id, { parent }]) => ({ id, parent }));
  }

  async createLayer(
    chainId: string,
    parent: string | undefined,
    fill: (staged: StagedLayer) => Promise<SnapshotUsage>,
  ): Promise<void> {
    for (;;) {
      if (this.hasLayer(chainId)) return;
      const others = this.#creating.get(chainId);
      if (others === undefined) break;
      // What ends somebody else's run, perhaps only that he went away, is not our failure: then it is our turn.
      await others.catch(() => {});
    }
    const run = this.#create(chainId, parent, fill).finally(() => this.#creating.delete(chainId));
    this.#creating.set(chainId, run);
    await run;
  }

  async #create(
    chainId: string,
    parent: string | undefined,
    fill: (staged: StagedLayer) => Promise<SnapshotUsage>,
  ): Promise<void> {
    this.#layers.checkPlace(chainId, parent);
    const staged = this.stageLayer();
    try {
      const usage = await fill(staged);
      await this.commitLayers([{ staged, chainId, parent, usage }]);
    } finally {
      staged.discard();
    }
  }

  stageLayer(): StagedLayer {
    try {
      return this.#layers.stage();
    } catch (error) {
      throw cannot("stage a layer", error);
    }
  }

  async commitLayers(layers: readonly NamedLayer[]): Promise<void> {
    try {
      await this.#layers.commit(layers);
    } catch (error) {
      throw cannot("commit a layer", error);
    }
  }

  async removeLayer(chainId: string): Promise<void> {
    try {
      this.#layers.remove(chainId);
      this.#format.forgetLayer(chainId);
    } catch (error) {
      throw cannot(`remove layer "${chainId}"`, error);
    }
  }

  sizeOf(options: Readonly<Record<string, string>>): number {
    return this.#sizes.of(options);
  }

  /** Meanwhile the layer is held, as nothing stands on it yet. */
  async prepare(id: string, parent: string | undefined, shift?: IdShift, sizeBytes = 0): Promise<void> {
    this.#checkNew(id, parent);
    this.#preparing.add(id);
    this.#layers.hold(parent);
    try {
      await this.#prepare(id, parent, shift, sizeBytes);
    } catch (error) {
      this.#layers.release(parent);
      throw cannot(`prepare the root filesystem of "${id}"`, error);
    } finally {
      this.#preparing.delete(id);
    }
  }

  #checkNew(id: string, parent: string | undefined): void {
    if (!ACTIVE_ID.test(id)) throw fail("invalid_argument", `invalid snapshot id "${id}"`);
    if (this.#active.has(id) || this.#preparing.has(id))
      throw fail("conflict", `snapshot "${id}" exists already`);
    if (parent !== undefined && !this.hasLayer(parent))
      throw fail("not_found", `layer "${parent}" below "${id}" does not exist`);
  }

  async #prepare(
    id: string,
    parent: string | undefined,
    shift: IdShift | undefined,
    sizeBytes: number,
  ): Promise<void> {
    const shiftedBy = shift === undefined ? undefined : shiftKey(shift);
    const path = this.#activePath(id);
    try {
      mkdirSync(path, { mode: 0o700 });
      if (sizeBytes > 0) this.#quotas.limit(path, sizeBytes);
      symlinkSync(parent ?? NO_PARENT, join(path, "parent"));
      if (shiftedBy !== undefined) symlinkSync(shiftedBy, join(path, "ids"));
      if (shift !== undefined) writeMapping(path, shift);
      await this.#format.makeActive(path, this.#placesOf(parent), shift);
    } catch (error) {
      this.#discard(path);
      throw error;
    }
    this.#active.set(id, { parent, shiftedBy });
  }

  /** The entries of a directory bring what is new in it along. At once: the file system's journal takes both in one turn. */
  async persist(id: string): Promise<void> {
    this.#find(id);
    try {
      await Promise.all([syncDirectory(this.#activePath(id)), syncDirectory(join(this.#root, "active"))]);
    } catch (error) {
      throw cannot(`sync the root filesystem of "${id}"`, error);
    }
  }

  keyOf(shift: IdShift): string {
    return shiftKey(shift);
  }

  mount(id: string): RootfsMount {
    const place = this.#placeOf(id);
    const { parent } = this.#find(id);
    if (parent !== undefined && !this.hasLayer(parent))
      throw fail("unavailable", `layer "${parent}" below snapshot "${id}" is missing`);
    const { shiftedBy } = place;
    return { ...this.#format.mount(place), ...(shiftedBy === undefined ? {} : { shiftedBy }) };
  }

  async remove(id: string): Promise<void> {
    const snapshot = this.#active.get(id);
    if (snapshot === undefined) return;
    try {
      this.#discard(this.#activePath(id));
    } catch (error) {
      throw cannot(`remove the root filesystem of "${id}"`, error);
    }
    this.#active.delete(id);
    this.#layers.release(snapshot.parent);
  }

  /** Its limit goes with it. */
  #discard(path: string): void {
    const lift = this.#quotas.release(path);
    this.#trash.take(path);
    try {
      lift();
    } catch (error) {
      // Nothing will ever count on it: who gets the number sets a limit of his own.
      this.#log.warn("cannot lift the limit of a removed snapshot", { path, error: messageOf(error) });
    }
  }

  async usage(id: string, signal: AbortSignal): Promise<SnapshotUsage> {
    return await this.#format.usage(this.#placeOf(id), signal);
  }

  diff(id: string, mountpoints: readonly string[], signal: AbortSignal): AsyncIterable<Uint8Array> {
    const difference = this.#writtenIn(id, this.#idsOf(id), mountpoints);
    return this.#whileThere(id, this.#native.packDiff(difference, signal));
  }

  changes(id: string, mountpoints: readonly string[], signal: AbortSignal): AsyncIterable<TreeChange> {
    const difference = this.#writtenIn(id, this.#idsOf(id), mountpoints);
    return this.#whileThere(id, this.#native.treeChanges(difference, signal));
  }

  export(id: string, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#whileThere(id, this.#native.packRoot(wholeTree(this.mount(id)), this.#idsOf(id), signal));
  }

  #writtenIn(id: string, ids: IdShift | undefined, mountpoints: readonly string[]): TreeDifference {
    return writtenIn(this.mount(id), this.view(this.#find(id).parent), ids, mountpoints);
  }

  #idsOf(id: string): IdShift | undefined {
    return this.#find(id).shiftedBy === undefined ? undefined : readMapping(this.#activePath(id));
  }

  /** What was read of files that were being deleted is not what was there. */
  async *#whileThere<T>(id: string, source: AsyncIterable<T>): AsyncGenerator<T> {
    const snapshot = this.#active.get(id);
    yield* source;
    if (this.#active.get(id) !== snapshot)
      throw fail("not_found", `snapshot "${id}" was removed while it was read`);
  }

  view(chainId: string | undefined): TreeView {
    if (chainId !== undefined && !this.hasLayer(chainId))
      throw fail("not_found", `layer "${chainId}" does not exist`);
    return this.#format.view(this.#placesOf(chainId));
  }

  compare(
    now: string | undefined,
    before: string | undefined,
    signal: AbortSignal,
  ): AsyncIterable<TreeChange> {
    return this.#native.treeChanges({ now: this.view(now), before: this.view(before) }, signal);
  }

  describe(id: string): Readonly<Record<string, string>> {
    if (!this.#active.has(id) && this.hasLayer(id)) return this.#format.describeLayer(this.#placesOf(id));
    return this.#format.describeActive(this.#placeOf(id));
  }

  status(): readonly (readonly [string, string])[] {
    return this.#format.status();
  }

  makeScratch(): Scratch {
    return makeScratch(join(this.#root, "staging"), this.#trash);
  }

  async settled(): Promise<void> {
    await this.#trash.settled();
  }

  #activePath(id: string): string {
    return join(this.#root, "active", id);
  }

  #find(id: string): Active {
    const snapshot = this.#active.get(id);
    if (snapshot === undefined) throw fail("not_found", `snapshot "${id}" does not exist`);
    return snapshot;
  }

  #placeOf(id: string): ActivePlace {
    const { parent, shiftedBy } = this.#find(id);
    return { path: this.#activePath(id), layers: this.#placesOf(parent), shiftedBy };
  }

  #placesOf(top: string | undefined): readonly LayerPlace[] {
    return this.#layers.chainOf(top).map((chainId) => ({ chainId, path: this.#layers.path(chainId) }));
  }

  #recoverActive(log: Logger): void {
    for (const id of readdirSync(join(this.#root, "active"))) {
      const path = this.#activePath(id);
      if (!this.#format.isComplete(path)) {
        log.info("deleting an unfinished snapshot of an earlier run", { id });
        this.#discard(path);
        continue;
      }
      const parent = readParent(path);
      if (parent !== undefined && !this.hasLayer(parent))
        log.error("a container's image layer is missing", { id, layer: parent });
      this.#layers.hold(parent);
      this.#active.set(id, { parent, shiftedBy: readShift(path) });
    }
  }
}

function readShift(path: string): string | undefined {
  try {
    return readlinkSync(join(path, "ids"));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** What a snapshot stands on; an unreadable link names a layer that never exists, so that the user's files are kept. */
function readParent(path: string): string | undefined {
  try {
    const text = readlinkSync(join(path, "parent"));
    return text === NO_PARENT ? undefined : text;
  } catch (error) {
    return `unknown (${messageOf(error)})`;
  }
}

function cannot(action: string, error: unknown): GantryError {
  if (error instanceof GantryError) return error;
  if (isDiskFull(error)) return fail("unavailable", `cannot ${action}: no space left on device`, error);
  return fail("internal", `cannot ${action}: ${messageOf(error)}`, error);
}
