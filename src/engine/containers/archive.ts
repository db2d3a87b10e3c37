/**
 * HEAD, GET and PUT /containers/{id}/archive: files of a container that runs, is paused, has stopped or never started.
 *
 * Reading needs no lock: what is there is what is read. Writing to one that does not run holds its key, since a start would use
 * the same layer; a client that sends nothing for a minute loses it. Writing to a running one ends with it, and the next start
 * waits until it has (`Container.writers`).
 */
import type { Readable } from "node:stream";
import { fail } from "../../base/errors.ts";
import type { KeyedLock } from "../../base/keyed-lock.ts";
import type { Task } from "../../core/tasks/tasks.ts";
import type { ContainerFiles, PathAnswer, PathFacts, Taken } from "../../linux/container-files.ts";
import { announce, type EventSink } from "./announce.ts";
import {
  absolutePath,
  baseName,
  cleanPath,
  type ContainerPathStat,
  isDirectory,
  pathStat,
} from "./archive-path.ts";
import { type ArchiveTreeDeps, type FoundTree, runningTree, stoppedTree } from "./archive-tree.ts";
import type { Container } from "./container.ts";

export interface ArchiveDeps extends ArchiveTreeDeps {
  readonly files: ContainerFiles;
  readonly locks: KeyedLock;
  readonly events: EventSink;
  /** What a client sends, uncompressed. */
  readonly uploadedArchive: (body: Readable, signal: AbortSignal) => AsyncIterable<Uint8Array>;
}

/** A path as the client gave it, and the name that it gave the container, for Docker's words. */
export interface ArchiveTarget {
  readonly container: Container;
  readonly reference: string;
  readonly path: string;
}

const STALLED_MS = 60_000;

/** Throws `not_found`, `invalid_argument` for what is no path. */
export async function statPath(
  deps: ArchiveDeps,
  target: ArchiveTarget,
  signal: AbortSignal,
): Promise<ContainerPathStat> {
  const path = absolutePath(target.path);
  const answer = await reading(deps, target.container, ({ tree }) => deps.files.look(tree, path, signal));
  return pathStat(path, factsOf(answer, target));
}

export interface PathArchive {
  readonly stat: ContainerPathStat;
  readonly archive: AsyncGenerator<Uint8Array>;
}

/** What a path is, and an archive in which it has its own last name. */
export async function readPath(
  deps: ArchiveDeps,
  target: ArchiveTarget,
  signal: AbortSignal,
): Promise<PathArchive> {
  const { container } = target;
  const path = absolutePath(target.path);
  const { answer, archive } = await reading<Taken>(
    deps,
    container,
    ({ tree, ids }) => deps.files.take(tree, path, baseName(path), ids, signal),
    async (taken) => void (await taken.archive.return(undefined)),
  );
  try {
    const stat = pathStat(path, factsOf(answer, target));
    announce(deps.events, container, "archive-path");
    return { stat, archive };
  } catch (error) {
    await archive.return(undefined);
    throw error;
  }
}

/** Absolute paths that match a pattern. */
export async function matchPaths(
  deps: ArchiveDeps,
  { container, path }: ArchiveTarget,
  signal: AbortSignal,
): Promise<readonly string[]> {
  return await reading(deps, container, ({ tree }) => deps.files.match(tree, cleanPath(path), signal));
}

export interface WriteOptions {
  readonly noOverwriteDirNonDir: boolean;
}

/** Unpacks an archive in a directory. Throws `not_found`, `invalid_argument`, or `forbidden` for what is read-only. */
export async function writePath(
  deps: ArchiveDeps,
  target: ArchiveTarget,
  options: WriteOptions,
  body: Readable,
  signal: AbortSignal,
): Promise<void> {
  const { container } = target;
  const { task } = container;
  if (task !== undefined) await writeRunning(deps, target, task, options, body, signal);
  else
    await deps.locks.run(container.id, async () => {
      await container.settling;
      const started = container.task; // while this waited
      if (started !== undefined) await writeRunning(deps, target, started, options, body, signal);
      else await ofStopped(deps, container, (found) => writeTo(deps, found, target, options, body, signal));
    });
  announce(deps.events, container, "extract-to-dir");
}

async function writeRunning(
  deps: ArchiveDeps,
  target: ArchiveTarget,
  task: Task,
  options: WriteOptions,
  body: Readable,
  signal: AbortSignal,
): Promise<void> {
  const { container } = target;
  const ended = new AbortController();
  const stop = (): void => ended.abort(fail("conflict", `container ${target.reference} stopped`));
  void task.exited.then(stop);
  const found = runningTree(deps, container, task.pid);
  const work = writeTo(deps, found, target, options, body, AbortSignal.any([signal, ended.signal]));
  container.writers.add(work);
  try {
    await work;
  } finally {
    container.writers.delete(work);
  }
}

async function writeTo(
  deps: ArchiveDeps,
  { tree, ids }: FoundTree,
  target: ArchiveTarget,
  { noOverwriteDirNonDir }: WriteOptions,
  body: Readable,
  signal: AbortSignal,
): Promise<void> {
  const stalled = new AbortController();
  const both = AbortSignal.any([signal, stalled.signal]);
  const options = { keepsKinds: noOverwriteDirNonDir, ids };
  await using putting = await deps.files.put(tree, cleanPath(target.path), options, both);
  checkDestination(factsOf(putting.answer, target));
  await putting.unpack(whileItComes(deps.uploadedArchive(body, both), stalled));
}

/** Docker's words. */
function checkDestination(facts: PathFacts): void {
  if (!isDirectory(facts)) throw fail("invalid_argument", "extraction point is not a directory");
  if (facts.access === "read-only root") throw fail("forbidden", "container rootfs is marked read-only");
  if (facts.access === "read-only mount") throw fail("forbidden", "mounted volume is marked read-only");
}

/** Aborts when the client goes on waiting instead of sending. */
async function* whileItComes(
  source: AsyncIterable<Uint8Array>,
  stalled: AbortController,
): AsyncGenerator<Uint8Array> {
  const message = `the archive stopped coming for ${STALLED_MS / 1000} seconds`;
  const give = (): void => stalled.abort(fail("unavailable", message));
  let timer = setTimeout(give, STALLED_MS);
  try {
    for await (const bytes of source) {
      clearTimeout(timer);
      yield bytes;
      timer = setTimeout(give, STALLED_MS);
    }
  } finally {
    clearTimeout(timer);
  }
}

/** Looks again when a container ended just before its process was looked for, or it may have been another's. */
async function reading<T>(
  deps: ArchiveDeps,
  container: Container,
  work: (found: FoundTree) => Promise<T>,
  drop?: (result: T) => Promise<void>,
): Promise<T> {
  const { task } = container;
  if (task === undefined) return await ofStopped(deps, container, work);
  try {
    const result = await work(runningTree(deps, container, task.pid));
    if (container.task === task) return result;
    await drop?.(result);
  } catch (error) {
    if (container.task === task) throw error;
  }
  if (container.task !== undefined) throw fail("conflict", "the container was restarted meanwhile");
  return await ofStopped(deps, container, work);
}

async function ofStopped<T>(
  deps: ArchiveDeps,
  container: Container,
  work: (found: FoundTree) => Promise<T>,
): Promise<T> {
  const found = await stoppedTree(deps, container);
  try {
    return await work(found);
  } finally {
    await found.letGo();
  }
}

/** How Go words them; what is not listed is said as the error's name. */
const REASONS: ReadonlyMap<string, string> = new Map([
  ["ENOTDIR", "not a directory"],
  ["ELOOP", "too many levels of symbolic links"],
  ["ENAMETOOLONG", "file name too long"],
]);

function factsOf(answer: PathAnswer, { path, reference }: ArchiveTarget): PathFacts {
  if (!("errno" in answer)) return answer;
  const { errno } = answer;
  // EXDEV: a filesystem of the kernel's, which looks empty from outside.
  if (errno === "ENOENT" || errno === "EXDEV")
    throw fail("not_found", `Could not find the file ${path} in container ${reference}`);
  throw fail("invalid_argument", `lstat ${path}: ${REASONS.get(errno) ?? errno}`);
}
