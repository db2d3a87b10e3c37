/**
 * Snapshots as directories for overlayfs:
 *
 *     layers/<chainID hex>/{diff,complete}   committed layers; the mark names the parent and the usage
 *     staging/<random>/{diff,complete}       layers being made
 *     shifted/<mapping>/<chainID hex>/…      copies of layers with other owners (shifted-layers.ts)
 *     active/<id>/{parent,ids,mapping,work,upper}
 *                                            writable layers; `parent` is a symbolic link whose text is the chainID; of
 *                                            those on shifted layers alone `ids`, one whose text names the mapping that the
 *                                            file `mapping` holds
 *     empty/                                 the lower directory of a snapshot without parent
 *     trash/<random>                         what is being deleted
 *
 * `prepare` syncs nothing: it is on the path of every container start, and a container that a power cut took has no use
 * for its directories. `upper` is made last, so its presence says that the rest is there.
 */
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readlinkSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { syncDirectorySync } from "../../base/sync-directory.ts";
import { isDiskFull } from "../../base/disk-full.ts";
import { errnoOf, fail, GantryError, messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Native, TreeChange, TreeView } from "../../linux/native.ts";
import { OverlayLayers } from "./overlay-layers.ts";
import { readMapping, wholeTree, writeMapping, writtenOver } from "./overlay-trees.ts";
import { shiftKey, ShiftedLayers } from "./shifted-layers.ts";
import type {
  CommittedLayer,
  IdShift,
  NamedLayer,
  RootfsMount,
  Snapshotter,
  SnapshotUsage,
  StagedLayer,
} from "./snapshotter.ts";
import { Trash } from "./trash.ts";

export type OverlayNative = Pick<
  Native,
  "removeTree" | "treeUsage" | "syncFilesystem" | "shiftTree" | "packRoot" | "packDiff" | "treeChanges"
>;

/** Opens the snapshots below `root` (created when missing) and starts to delete what a crash left half-made. */
export function openOverlaySnapshots(root: string, native: OverlayNative, log: Logger): Snapshotter {
  return new OverlaySnapshotter(root, native, log);
}

/** The text of the `parent` link of a snapshot without one. */
const NO_PARENT = "none";

/** Container ids, and nothing that could be a path. */
const ACTIVE_ID = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/;

interface Active {
  readonly parent: string | undefined;
  /** Key of the mapping that the files' owners come from. */
  readonly shiftedBy: string | undefined;
}

class OverlaySnapshotter implements Snapshotter {
  readonly driver = "overlay2";
  readonly #root: string;
  readonly #native: OverlayNative;
  readonly #trash: Trash;
  readonly #layers: OverlayLayers;
  readonly #shifted: ShiftedLayers;
  readonly #active = new Map<string, Active>();
  readonly #creating = new Map<string, Promise<void>>();

  constructor(root: string, native: OverlayNative, log: Logger) {
    this.#root = root;
    this.#native = native;
    for (const name of ["layers", "staging", "active", "empty"])
      mkdirSync(join(root, name), { recursive: true, mode: name === "empty" ? 0o755 : 0o700 });
    this.#trash = new Trash(join(root, "trash"), (path) => native.removeTree(path), log);
    syncDirectorySync(root);
    const syncFilesystem = (path: string): Promise<void> => native.syncFilesystem(path);
    this.#layers = new OverlayLayers({ root, trash: this.#trash, syncFilesystem });
    this.#layers.recover(log);
    this.#shifted = new ShiftedLayers({ root, trash: this.#trash, native });
    this.#shifted.recover((chainId) => this.hasLayer(chainId), log);
    this.#recoverActive(log);
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
    apply: (directory: string) => Promise<SnapshotUsage>,
  ): Promise<void> {
    for (;;) {
      if (this.hasLayer(chainId)) return;
      const others = this.#creating.get(chainId);
      if (others === undefined) break;
      // What ends somebody else's run, perhaps only that he went away, is not our failure: then it is our turn.
      await others.catch(() => {});
    }
    const run = this.#create(chainId, parent, apply).finally(() => this.#creating.delete(chainId));
    this.#creating.set(chainId, run);
    await run;
  }

  async #create(
    chainId: string,
    parent: string | undefined,
    apply: (directory: string) => Promise<SnapshotUsage>,
  ): Promise<void> {
    this.#layers.checkPlace(chainId, parent);
    const staged = this.stageLayer();
    try {
      const usage = await apply(staged.directory);
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
      this.#shifted.remove(chainId);
    } catch (error) {
      throw cannot(`remove layer "${chainId}"`, error);
    }
  }

  async prepare(id: string, parent: string | undefined, shift?: IdShift): Promise<void> {
    try {
      this.#checkNew(id, parent);
      if (shift !== undefined) await this.#makeShifted(parent, shift);
      this.#prepare(id, parent, shift);
    } catch (error) {
      throw cannot(`prepare the root filesystem of "${id}"`, error);
    }
  }

  keyOf(shift: IdShift): string {
    return shiftKey(shift);
  }

  /** The layers are held meanwhile, as nothing stands on them yet. */
  async #makeShifted(parent: string | undefined, shift: IdShift): Promise<void> {
    this.#layers.hold(parent);
    try {
      const sources = this.#chainOf(parent).map((chainId) => ({
        chainId,
        diff: join(this.#layers.path(chainId), "diff"),
      }));
      await this.#shifted.ensure(sources, shift);
    } finally {
      this.#layers.release(parent);
    }
  }

  /** A layer and all below it, topmost first. */
  #chainOf(top: string | undefined): readonly string[] {
    const chain: string[] = [];
    for (let at = top; at !== undefined; at = this.#layers.get(at)?.parent) chain.push(at);
    return chain;
  }

  #checkNew(id: string, parent: string | undefined): void {
    if (!ACTIVE_ID.test(id)) throw fail("invalid_argument", `invalid snapshot id "${id}"`);
    if (this.#active.has(id)) throw fail("conflict", `snapshot "${id}" exists already`);
    const below = parent === undefined ? undefined : this.#layers.get(parent);
    if (parent !== undefined && below === undefined)
      throw fail("not_found", `layer "${parent}" below "${id}" does not exist`);
  }

  #prepare(id: string, parent: string | undefined, shift: IdShift | undefined): void {
    this.#checkNew(id, parent);
    const shiftedBy = shift === undefined ? undefined : shiftKey(shift);
    const path = this.#activePath(id);
    mkdirSync(path, { mode: 0o700 });
    try {
      symlinkSync(parent ?? NO_PARENT, join(path, "parent"));
      mkdirSync(join(path, "work"), { mode: 0o700 });
      if (shiftedBy !== undefined) symlinkSync(shiftedBy, join(path, "ids"));
      if (shift !== undefined) writeMapping(path, shift);
      makeUpper(join(path, "upper"), shift);
    } catch (error) {
      this.#trash.take(path);
      throw error;
    }
    this.#layers.hold(parent);
    this.#active.set(id, { parent, shiftedBy });
  }

  mount(id: string): RootfsMount {
    const path = this.#activePath(id);
    const lowers = this.#lowersOf(id);
    const shiftedBy = this.#active.get(id)?.shiftedBy;
    return {
      kind: "overlay",
      lowers,
      upper: join(path, "upper"),
      work: join(path, "work"),
      ...(shiftedBy === undefined ? {} : { shiftedBy }),
    };
  }

  #lowersOf(id: string): readonly string[] {
    const snapshot = this.#active.get(id);
    if (snapshot === undefined) throw fail("not_found", `snapshot "${id}" does not exist`);
    if (snapshot.parent === undefined) return [join(this.#root, "empty")];
    const below = this.#layers.get(snapshot.parent);
    if (below === undefined)
      throw fail("unavailable", `layer "${snapshot.parent}" below snapshot "${id}" is missing`);
    const { shiftedBy, parent } = snapshot;
    return shiftedBy === undefined
      ? below.lowers
      : this.#chainOf(parent).map((chainId) => this.#shifted.diffOf(shiftedBy, chainId));
  }

  async remove(id: string): Promise<void> {
    const snapshot = this.#active.get(id);
    if (snapshot === undefined) return;
    try {
      this.#trash.take(this.#activePath(id));
    } catch (error) {
      throw cannot(`remove the root filesystem of "${id}"`, error);
    }
    this.#active.delete(id);
    this.#layers.release(snapshot.parent);
  }

  async usage(id: string, signal: AbortSignal): Promise<SnapshotUsage> {
    if (!this.#active.has(id)) throw fail("not_found", `snapshot "${id}" does not exist`);
    return await this.#native.treeUsage(join(this.#activePath(id), "upper"), signal);
  }

  diff(id: string, mountpoints: readonly string[], signal: AbortSignal): AsyncIterable<Uint8Array> {
    const difference = writtenOver(this.mount(id), this.#idsOf(id), mountpoints);
    return this.#whileThere(id, this.#native.packDiff(difference, signal));
  }

  changes(id: string, mountpoints: readonly string[], signal: AbortSignal): AsyncIterable<TreeChange> {
    const difference = writtenOver(this.mount(id), undefined, mountpoints);
    return this.#whileThere(id, this.#native.treeChanges(difference, signal));
  }

  export(id: string, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#whileThere(id, this.#native.packRoot(wholeTree(this.mount(id)), this.#idsOf(id), signal));
  }

  /** What was read of files that were being deleted is not what was there. */
  async *#whileThere<T>(id: string, source: AsyncIterable<T>): AsyncGenerator<T> {
    const snapshot = this.#active.get(id);
    yield* source;
    if (this.#active.get(id) !== snapshot)
      throw fail("not_found", `snapshot "${id}" was removed while it was read`);
  }

  #idsOf(id: string): IdShift | undefined {
    return this.#active.get(id)?.shiftedBy === undefined ? undefined : readMapping(this.#activePath(id));
  }

  view(chainId: string | undefined): TreeView {
    if (chainId === undefined) return { kind: "plain", directory: join(this.#root, "empty") };
    const layer = this.#layers.get(chainId);
    if (layer === undefined) throw fail("not_found", `layer "${chainId}" does not exist`);
    return { kind: "overlay", layers: layer.lowers };
  }

  compare(
    now: string | undefined,
    before: string | undefined,
    signal: AbortSignal,
  ): AsyncIterable<TreeChange> {
    return this.#native.treeChanges({ now: this.view(now), before: this.view(before) }, signal);
  }

  describe(id: string): Readonly<Record<string, string>> {
    const layer = this.#active.has(id) ? undefined : this.#layers.get(id);
    if (layer === undefined) {
      const { lowers, upper, work } = this.mount(id);
      const MergedDir = join(this.#activePath(id), "merged");
      return { LowerDir: lowers.join(":"), MergedDir, UpperDir: upper, WorkDir: work };
    }
    const path = this.#layers.path(id);
    const below = layer.lowers.slice(1);
    return {
      ...(below.length > 0 ? { LowerDir: below.join(":") } : {}),
      MergedDir: join(path, "merged"),
      UpperDir: join(path, "diff"),
      WorkDir: join(path, "work"),
    };
  }

  async settled(): Promise<void> {
    await this.#trash.settled();
  }

  #activePath(id: string): string {
    return join(this.#root, "active", id);
  }

  #recoverActive(log: Logger): void {
    for (const id of readdirSync(join(this.#root, "active"))) {
      const path = this.#activePath(id);
      if (!existsSync(join(path, "upper"))) {
        log.info("deleting an unfinished snapshot of an earlier run", { id });
        this.#trash.take(path);
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

/**
 * The root of a container looks like its upper directory, and with Docker that is always 0755 of root, whatever the image's
 * layers say: an image packed from a private directory works for users other than root.
 */
function makeUpper(path: string, shift: IdShift | undefined): void {
  mkdirSync(path, { mode: 0o755 });
  if (shift !== undefined) chownSync(path, rootIn(shift.uid), rootIn(shift.gid));
  chmodSync(path, 0o755); // the process's umask had its say in mkdir
}

/** Where a mapping has id 0. */
function rootIn(map: string): number {
  const root = /^0 (\d{1,10}) /m.exec(map)?.[1];
  if (root === undefined) throw fail("invalid_argument", "the id mapping has no root");
  return Number(root);
}

function readShift(path: string): string | undefined {
  try {
    return readlinkSync(join(path, "ids"));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** What a snapshot stands on; an unreadable link names a layer that never exists, so that the upper directory is kept. */
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
