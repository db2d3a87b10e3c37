/**
 * Deleting, which must work on whatever is left of a container: nothing is remembered, everything is found again from the
 * state directory and from the cgroups' names. Each step may be repeated, so a killed delete is mended by the next one.
 *
 * Two deletes of one id must not meet: the second could kill what a new container of that name runs. They take turns by a
 * lock on container.json, and whoever gets it looks again whether the directory is still the one that was meant.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, fail } from "../base/errors.ts";
import { removeEmptyCgroups, thawDyingNow } from "../linux/cgroup-now.ts";
import { type ProcessIdentity, isAlive } from "../linux/process-state.ts";
import { signalIf } from "../linux/process-identity.ts";
import { type Container, loadContainer, mainProcess, release } from "./container.ts";
import type { Context } from "./context.ts";
import { conditionOf } from "./status.ts";

const SIGKILL = 9;
const LOCK_TIMEOUT_MS = 20_000;
const END_TIMEOUT_MS = 10_000;
const POLL_MS = 2;

/** Throws `not_found` when there is no such container, `conflict` when it has not ended and `force` is not given. */
export async function deleteContainer(context: Context, id: string, force: boolean): Promise<void> {
  const seen = loadContainer(context.root, id);
  if (seen.record.scope !== undefined || seen.record.hasPoststop)
    context.caller.ownProcess("systemd and hooks");
  await context.caller.begin();
  const container = await lockContainer(context, id);
  await endMain(context, container, force);
  await endCreator(context, container, force);
  await clearCgroups(context, container);
  if (container.record.scope !== undefined) {
    const { removeScope } = await import("./scope.ts");
    await removeScope(container.record.scope);
  }
  if (container.record.hasPoststop) {
    const { runPoststopHooks } = await import("./poststop.ts");
    await runPoststopHooks(context, container);
  }
  release(context.root, id, context.caller.identity());
}

/** The lock is held until the verb ends. */
async function lockContainer(context: Context, id: string): Promise<Container> {
  const deadline = performance.now() + LOCK_TIMEOUT_MS;
  for (;;) {
    const container = loadContainer(context.root, id);
    const path = join(container.directory, "container.json");
    const before = inodeOf(path);
    if (before !== undefined && tryLock(context, path) && inodeOf(path) === before) return container;
    if (performance.now() > deadline)
      throw fail("unavailable", `container "${id}" is being deleted by another process`);
    await context.caller.sleep(POLL_MS);
  }
}

function tryLock(context: Context, path: string): boolean {
  try {
    return context.native().lockFile(path) !== undefined;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw error;
  }
}

function inodeOf(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

/** A created container has done nothing yet: as with runc it may be deleted without force. */
async function endMain(context: Context, container: Container, force: boolean): Promise<void> {
  const { status } = conditionOf(container);
  if (status !== "stopped" && status !== "created" && !force)
    throw fail("conflict", `cannot delete container ${container.id} that is not stopped: ${status}`);
  const main = mainProcess(container);
  if (main === undefined || status === "stopped") return;
  signalIf(context.native(), main.pid, SIGKILL, () => isAlive(main));
  if (status === "paused") thawDyingNow(container.record.cgroupDirs);
  await waitForEnd(context, main, "the main process");
}

/**
 * A `run` in the foreground clears up by itself when its container has ended; one that is killed in the middle of creation
 * takes the unborn container with it. In both cases nobody else may be at work in what is removed next.
 */
async function endCreator(context: Context, container: Container, force: boolean): Promise<void> {
  const { creator } = container.record;
  if (creator.pid === context.caller.pid || !isAlive(creator)) return;
  const isCreating = mainProcess(container) === undefined;
  if (isCreating && force) signalIf(context.native(), creator.pid, SIGKILL, () => isAlive(creator));
  await waitForEnd(context, creator, "the process that runs the container");
  // Born between our look and the creator's death.
  const main = mainProcess(container);
  if (main !== undefined && isAlive(main)) {
    signalIf(context.native(), main.pid, SIGKILL, () => isAlive(main));
    await waitForEnd(context, main, "the main process");
  }
}

async function waitForEnd({ caller }: Context, identity: ProcessIdentity, what: string): Promise<void> {
  const deadline = performance.now() + END_TIMEOUT_MS;
  while (isAlive(identity)) {
    if (performance.now() > deadline) throw fail("unavailable", `${what} (${identity.pid}) does not end`);
    await caller.sleep(POLL_MS);
  }
}

async function clearCgroups(context: Context, { record }: Container): Promise<void> {
  const left = removeEmptyCgroups(record.cgroupDirs);
  if (left.length === 0) return;
  const { clear } = await import("../linux/task-cgroup.ts");
  await clear(left, context.native());
}
