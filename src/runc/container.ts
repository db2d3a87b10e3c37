/**
 * What is known of a container outside of itself: its state directory, `ROOT/ID` (docs/decisions/0005).
 *
 *     container.json   never changes; written before the directory gets its name
 *     pid              the main process, once there is one; by the C program
 *     start.sock       there from "created" until `start`; by the C program
 *     rootfs           an empty directory that the root is attached to until pivot_root
 *
 * The directory is filled under a name that no container can have and then renamed: an id is taken, or not, in one step,
 * and a directory with an id as its name is always complete. Deleting goes the other way, so an id is free again in one
 * step, too. What a killed program leaves under such names is swept away by the next create or delete.
 */
import { mkdirSync, readdirSync, renameSync, rmdirSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, fail } from "../base/errors.ts";
import { type ProcessIdentity, isAlive, readProcessStat } from "../linux/process-state.ts";
import { checkContainerId } from "./container-id.ts";
import { readDocumentIfThere } from "./files.ts";
import { type ContainerRecord, decodePidRecord, decodeRecord, encodeRecord } from "./record.ts";

/** Neither character can begin an id. */
const NEW = "~new-";
const GONE = "~gone-";
const MAX_PID_BYTES = 4096;

export interface Container {
  readonly id: string;
  readonly directory: string;
  readonly record: ContainerRecord;
}

export function directoryOf(root: string, id: string): string {
  return join(root, checkContainerId(id));
}

/** Throws `not_found` in runc's words. */
export function loadContainer(root: string, id: string): Container {
  const directory = directoryOf(root, id);
  const text = readDocumentIfThere(join(directory, "container.json"));
  if (text === undefined) throw fail("not_found", "container does not exist");
  return { id, directory, record: decodeRecord(text) };
}

/**
 * What the C program leaves when it is killed while it removes a directory, container.json being the last: nothing that was a
 * container's. True when there was something.
 */
export function removeRemains(root: string, id: string, self: ProcessIdentity): boolean {
  const directory = directoryOf(root, id);
  if (
    statSync(directory, { throwIfNoEntry: false }) === undefined ||
    isThere(join(directory, "container.json"))
  )
    return false;
  release(root, id, self);
  return true;
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Ids in order; empty when the root is missing. */
export function listIds(root: string): string[] {
  try {
    return readdirSync(root, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith("~"))
      .map(({ name }) => name)
      .sort();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}

/**
 * Throws `conflict` in runc's words. Only `reserve` decides; this spares the work before it. What `self` has reserved itself
 * is no obstacle: a resident compiler did that in its name, and was killed (docs/decisions/0012).
 */
export function refuseTakenId(root: string, id: string, self: ProcessIdentity): void {
  if (!isThere(join(directoryOf(root, id), "container.json"))) return;
  if (!isOwn(root, id, self)) throw taken();
  release(root, id, self);
}

function isOwn(root: string, id: string, self: ProcessIdentity): boolean {
  const { creator } = loadContainer(root, id).record;
  return creator.pid === self.pid && creator.startTicks === self.startTicks;
}

function taken(): Error {
  return fail("conflict", "container with given ID already exists");
}

/**
 * Takes the id: from here on the container exists, in creation. `directories`: empty ones that are made besides `rootfs`.
 * Throws `conflict` when somebody else has the id.
 */
export function reserve(
  root: string,
  id: string,
  record: ContainerRecord,
  directories: readonly string[] = [],
): string {
  const directory = directoryOf(root, id);
  mkdirSync(root, { recursive: true, mode: 0o700 });
  sweep(root);
  const aside = join(root, `${NEW}${record.creator.pid}-${record.creator.startTicks}`);
  empty(aside);
  mkdirSync(aside, { mode: 0o711 });
  try {
    for (const name of ["rootfs", ...directories]) mkdirSync(join(aside, name), { mode: 0o755 });
    writeFileSync(join(aside, "container.json"), encodeRecord(record), { mode: 0o600, flag: "wx" });
    removeRemains(root, id, record.creator);
    // A directory with anything in it is not replaced: rename(2).
    renameSync(aside, directory);
    return directory;
  } catch (error) {
    empty(aside);
    const errno = errnoOf(error);
    throw errno === "ENOTEMPTY" || errno === "EEXIST" ? taken() : error;
  }
}

/** Gives the id back, then deletes what was known. Missing is fine. `self`: whose verb this is. */
export function release(root: string, id: string, self: ProcessIdentity): void {
  const aside = join(root, `${GONE}${self.pid}-${self.startTicks}`);
  empty(aside);
  try {
    renameSync(directoryOf(root, id), aside);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    throw error;
  }
  empty(aside);
}

/** What others left in the middle of `reserve` or `release`. Those that are still at it are left alone. */
function sweep(root: string): void {
  for (const name of readdirSync(root)) {
    const [, pid, ticks] = /^~(?:new|gone)-(\d{1,10})-(\d{1,20})$/.exec(name) ?? [];
    if (pid === undefined || ticks === undefined) continue;
    if (!isAlive({ pid: Number(pid), startTicks: BigInt(ticks) })) empty(join(root, name));
  }
}

/** Files, empty directories and sockets, one level below the directory that holds them, and that directory. */
function empty(directory: string, depth = 0): void {
  try {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      const path = join(directory, entry.name);
      if (entry.isDirectory() && depth < 1) empty(path, depth + 1);
      else if (entry.isDirectory()) rmdirSync(path);
      else unlinkSync(path);
    }
    rmdirSync(directory);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}

export function identityOf(pid: number): ProcessIdentity {
  const stat = readProcessStat(pid);
  if (stat === undefined) throw fail("internal", `there is no process ${pid}`);
  return { pid, startTicks: stat.startTicks };
}

/**
 * The main process, dead or alive; undefined while none has been made. Throws `internal` for a damaged record; an empty one is
 * what a power cut left of it.
 */
export function mainProcess({ directory }: Container): ProcessIdentity | undefined {
  const text = readDocumentIfThere(join(directory, "pid"), MAX_PID_BYTES);
  return text === undefined || text === "" ? undefined : decodePidRecord(text);
}
