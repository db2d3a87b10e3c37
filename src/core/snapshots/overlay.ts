/**
 * Snapshots as directories for overlayfs:
 *
 *     layers/<chainID hex>/{diff,complete}   committed layers; the mark names the parent and the usage
 *     staging/<random>/{diff,complete}       layers being made
 *     active/<id>/{parent,work,upper}        writable layers; `parent` is a symbolic link whose text is the chainID
 *     empty/                                 the lower directory of a snapshot without parent
 *     trash/<random>                         what is being deleted
 *
 * A layer is filled in staging, marked, synced together with its mark, and renamed: so a name below layers/ is a
 * promise. `prepare` syncs nothing: it is on the path of every container start, and a container that a power cut took
 * has no use for its directories. `upper` is made last, so its presence says that the rest is there.
 */
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory, syncDirectorySync } from "../../base/atomic-file.ts";
import { isDiskFull } from "../../base/disk-full.ts";
import { fail, GantryError, messageOf } from "../../base/errors.ts";
import { KeyedLock } from "../../base/keyed-lock.ts";
import type { Logger } from "../../base/log.ts";
import type { Native } from "../../linux/native.ts";
import { hexOf } from "../../specs/oci-image/digest.ts";
import { encodeMark, type LayerMark, readMarks } from "./layer-mark.ts";
import {
  type CommittedLayer,
  MAX_LAYERS,
  type NamedLayer,
  type RootfsMount,
  type Snapshotter,
  type SnapshotUsage,
  type StagedLayer,
} from "./snapshotter.ts";
import { Trash } from "./trash.ts";

export type OverlayNative = Pick<Native, "removeTree" | "treeUsage" | "syncFilesystem">;

/** Opens the snapshots below `root` (created when missing) and starts to delete what a crash left half-made. */
export function openOverlaySnapshots(root: string, native: OverlayNative, log: Logger): Snapshotter {
  return new OverlaySnapshotter(root, native, log);
}

interface Layer extends CommittedLayer {
  /** Paths of this layer and all below it, topmost first. */
  readonly lowers: readonly string[];
  /** Layers and active snapshots that stand on it. */
  users: number;
  /** Of its root directory, once asked: what an upper directory on top must look like. */
  rootOwner: RootOwner | undefined;
}

interface RootOwner {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** The text of the `parent` link of a snapshot without one. */
const NO_PARENT = "none";

/** Container ids, and nothing that could be a path. */
const ACTIVE_ID = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/;

class OverlaySnapshotter implements Snapshotter {
  readonly driver = "overlay2";
  readonly #root: string;
  readonly #native: OverlayNative;
  readonly #trash: Trash;
  readonly #layers = new Map<string, Layer>();
  readonly #active = new Map<string, { readonly parent: string | undefined }>();
  readonly #creating = new Map<string, Promise<void>>();
  readonly #lock = new KeyedLock();

  constructor(root: string, native: OverlayNative, log: Logger) {
    this.#root = root;
    this.#native = native;
    for (const name of ["layers", "staging", "active", "empty"])
      mkdirSync(join(root, name), { recursive: true, mode: name === "empty" ? 0o755 : 0o700 });
    this.#trash = new Trash(join(root, "trash"), (path) => native.removeTree(path), log);
    syncDirectorySync(root);
    this.#recoverStaging(log);
    this.#recoverLayers(log);
    this.#recoverActive(log);
  }

  hasLayer(chainId: string): boolean {
    return this.#layers.has(chainId);
  }

  layers(): readonly CommittedLayer[] {
    return [...this.#layers.values()].map(({ chainId, parent, usage }) => ({ chainId, parent, usage }));
  }

  active(): readonly { readonly id: string; readonly parent: string | undefined }[] {
    return [...this.#active].map(([id, { parent }]) => ({ id, parent }));
  }

  async createLayer(
    chainId: string,
    parent: string | undefined,
    apply: (directory: string) => Promise<SnapshotUsage>,
  ): Promise<void> {
    if (this.#layers.has(chainId)) return;
    const running = this.#creating.get(chainId) ?? this.#create(chainId, parent, apply);
    this.#creating.set(chainId, running);
    try {
      await running;
    } finally {
      if (this.#creating.get(chainId) === running) this.#creating.delete(chainId);
    }
  }

  async #create(
    chainId: string,
    parent: string | undefined,
    apply: (directory: string) => Promise<SnapshotUsage>,
  ): Promise<void> {
    if (this.#depthFor(chainId, parent) > MAX_LAYERS) throw tooDeep();
    const staged = this.stageLayer();
    try {
      const usage = await apply(staged.directory);
      await this.commitLayers([{ staged, chainId, parent, usage }]);
    } finally {
      staged.discard();
    }
  }

  stageLayer(): StagedLayer {
    const path = join(this.#root, "staging", randomBytes(8).toString("hex"));
    const directory = join(path, "diff");
    try {
      mkdirSync(path, { mode: 0o700 });
      mkdirSync(directory, { mode: 0o755 });
      chmodSync(directory, 0o755);
    } catch (error) {
      this.#trash.take(path);
      throw cannot("stage a layer", error);
    }
    // Once it was committed the path is gone, which the trash takes for granted.
    return { directory, discard: () => this.#trash.take(path) };
  }

  async commitLayers(layers: readonly NamedLayer[]): Promise<void> {
    if (layers.length === 0) return;
    try {
      await Promise.all(
        layers.map(({ staged, parent, usage }) =>
          writeFile(join(staged.directory, "..", "complete"), encodeMark({ parent, usage }), { mode: 0o600 }),
        ),
      );
      await this.#native.syncFilesystem(join(this.#root, "staging"));
      await this.#lock.run("commit", () => this.#place(layers));
    } catch (error) {
      throw cannot("commit a layer", error);
    }
  }

  /** One at a time, so that a layer of two commits is placed once; known to others only when it cannot be lost. */
  async #place(layers: readonly NamedLayer[]): Promise<void> {
    const placed = new Map<string, NamedLayer & { readonly depth: number }>();
    try {
      for (const layer of layers) {
        if (this.#layers.has(layer.chainId) || placed.has(layer.chainId)) {
          layer.staged.discard();
          continue;
        }
        const below = layer.parent === undefined ? undefined : placed.get(layer.parent)?.depth;
        const depth = below === undefined ? this.#depthFor(layer.chainId, layer.parent) : below + 1;
        if (depth > MAX_LAYERS) throw tooDeep();
        renameSync(join(layer.staged.directory, ".."), this.#layerPath(layer.chainId));
        placed.set(layer.chainId, { ...layer, depth });
        this.#hold(layer.parent);
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
      for (const { chainId } of placed) this.#trash.take(this.#layerPath(chainId));
      throw error;
    } finally {
      // What #place held while the layer was on disk and not yet entered.
      for (const { parent } of placed) this.#release(parent);
    }
  }

  /** How many layers a stack has with `chainId` on top of `parent`; throws when it cannot stand there. */
  #depthFor(chainId: string, parent: string | undefined): number {
    hexOf(chainId);
    if (parent === undefined) return 1;
    const below = this.#layers.get(parent);
    if (below === undefined) throw fail("not_found", `layer "${parent}" below "${chainId}" does not exist`);
    return below.lowers.length + 1;
  }

  #enter(chainId: string, mark: LayerMark): void {
    const below = mark.parent === undefined ? undefined : this.#layers.get(mark.parent);
    this.#hold(mark.parent);
    this.#layers.set(chainId, {
      chainId,
      parent: mark.parent,
      usage: mark.usage,
      lowers: [join(this.#layerPath(chainId), "diff"), ...(below?.lowers ?? [])],
      users: 0,
      rootOwner: undefined,
    });
  }

  removeLayer(chainId: string): Promise<void> {
    const layer = this.#layers.get(chainId);
    if (layer === undefined) return Promise.resolve();
    if (layer.users > 0)
      return Promise.reject(fail("conflict", `layer "${chainId}" is in use by ${layer.users} others`));
    this.#layers.delete(chainId);
    this.#release(layer.parent);
    this.#trash.take(this.#layerPath(chainId));
    return Promise.resolve();
  }

  prepare(id: string, parent: string | undefined): Promise<void> {
    try {
      this.#prepare(id, parent);
      return Promise.resolve();
    } catch (error) {
      return Promise.reject(cannot(`prepare the root filesystem of "${id}"`, error));
    }
  }

  #prepare(id: string, parent: string | undefined): void {
    if (!ACTIVE_ID.test(id)) throw fail("invalid_argument", `invalid snapshot id "${id}"`);
    if (this.#active.has(id)) throw fail("conflict", `snapshot "${id}" exists already`);
    const below = parent === undefined ? undefined : this.#layers.get(parent);
    if (parent !== undefined && below === undefined)
      throw fail("not_found", `layer "${parent}" below "${id}" does not exist`);
    const { mode, uid, gid } = below === undefined ? EMPTY_ROOT : rootOwnerOf(below);
    const path = this.#activePath(id);
    mkdirSync(path, { mode: 0o700 });
    try {
      symlinkSync(parent ?? NO_PARENT, join(path, "parent"));
      mkdirSync(join(path, "work"), { mode: 0o700 });
      const upper = join(path, "upper");
      mkdirSync(upper, { mode });
      // The process's umask had its say in mkdir; and root's files are not always root's.
      chmodSync(upper, mode);
      if (uid !== process.geteuid?.() || gid !== process.getegid?.()) chownSync(upper, uid, gid);
    } catch (error) {
      this.#trash.take(path);
      throw error;
    }
    this.#hold(parent);
    this.#active.set(id, { parent });
  }

  mount(id: string): RootfsMount {
    const path = this.#activePath(id);
    return {
      kind: "overlay",
      lowers: this.#lowersOf(id),
      upper: join(path, "upper"),
      work: join(path, "work"),
    };
  }

  #lowersOf(id: string): readonly string[] {
    const snapshot = this.#active.get(id);
    if (snapshot === undefined) throw fail("not_found", `snapshot "${id}" does not exist`);
    if (snapshot.parent === undefined) return [join(this.#root, "empty")];
    const below = this.#layers.get(snapshot.parent);
    if (below === undefined)
      throw fail("unavailable", `layer "${snapshot.parent}" below snapshot "${id}" is missing`);
    return below.lowers;
  }

  remove(id: string): Promise<void> {
    const snapshot = this.#active.get(id);
    if (snapshot === undefined) return Promise.resolve();
    try {
      this.#trash.take(this.#activePath(id));
    } catch (error) {
      return Promise.reject(cannot(`remove the root filesystem of "${id}"`, error));
    }
    this.#active.delete(id);
    this.#release(snapshot.parent);
    return Promise.resolve();
  }

  #hold(parent: string | undefined): void {
    const below = parent === undefined ? undefined : this.#layers.get(parent);
    if (below !== undefined) below.users++;
  }

  #release(parent: string | undefined): void {
    const below = parent === undefined ? undefined : this.#layers.get(parent);
    if (below !== undefined) below.users--;
  }

  async usage(id: string, signal: AbortSignal): Promise<SnapshotUsage> {
    if (!this.#active.has(id)) throw fail("not_found", `snapshot "${id}" does not exist`);
    return await this.#native.treeUsage(join(this.#activePath(id), "upper"), signal);
  }

  describe(id: string): Readonly<Record<string, string>> {
    const layer = this.#layers.get(id);
    if (layer === undefined || this.#active.has(id)) {
      const { lowers, upper, work } = this.mount(id);
      return {
        LowerDir: lowers.join(":"),
        MergedDir: join(this.#activePath(id), "merged"),
        UpperDir: upper,
        WorkDir: work,
      };
    }
    const path = this.#layerPath(id);
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

  #layerPath(chainId: string): string {
    return join(this.#root, "layers", hexOf(chainId));
  }

  #activePath(id: string): string {
    return join(this.#root, "active", id);
  }

  #recoverStaging(log: Logger): void {
    const names = readdirSync(join(this.#root, "staging"));
    for (const name of names) this.#trash.take(join(this.#root, "staging", name));
    if (names.length > 0) log.info("deleting unfinished layers of an earlier run", { count: names.length });
  }

  #recoverLayers(log: Logger): void {
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

  #recoverActive(log: Logger): void {
    for (const id of readdirSync(join(this.#root, "active"))) {
      const path = this.#activePath(id);
      if (!existsSync(join(path, "upper"))) {
        log.info("deleting an unfinished snapshot of an earlier run", { id });
        this.#trash.take(path);
        continue;
      }
      const parent = readParent(path);
      if (parent !== undefined && !this.#layers.has(parent))
        log.error("a container's image layer is missing", { id, layer: parent });
      this.#hold(parent);
      this.#active.set(id, { parent });
    }
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

const EMPTY_ROOT: RootOwner = { mode: 0o755, uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };

function rootOwnerOf(layer: Layer): RootOwner {
  if (layer.rootOwner === undefined) {
    const [top] = layer.lowers;
    if (top === undefined) return EMPTY_ROOT;
    const { mode, uid, gid } = statSync(top);
    layer.rootOwner = { mode: mode & 0o7777, uid, gid };
  }
  return layer.rootOwner;
}

function tooDeep(): GantryError {
  // Docker's words (layer.ErrMaxDepthExceeded).
  return fail("invalid_argument", "max depth exceeded");
}

function cannot(action: string, error: unknown): GantryError {
  if (error instanceof GantryError) return error;
  if (isDiskFull(error)) return fail("unavailable", `cannot ${action}: no space left on device`, error);
  return fail("internal", `cannot ${action}: ${messageOf(error)}`, error);
}
