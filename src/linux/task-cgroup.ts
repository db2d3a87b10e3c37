/**
 * What becomes of a task's control groups from the daemon's side: freezing, and clearing away what a dead shim left.
 * `dirs` are the directories that the task's plan creates: one on cgroup v2, one for each controller on v1. The knobs
 * that a directory has tell which it is. https://docs.kernel.org/admin-guide/cgroup-v2.html, cgroup-v1/freezer-subsystem.html
 */
import { existsSync, readFileSync } from "node:fs";
import { readFile, readdir, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { errnoOf, fail } from "../base/errors.ts";
import { processesBelow } from "./cgroup-processes.ts";
import { type Pidfds, SIGKILL, signalIf } from "./process-identity.ts";

const POLL_MS = 2;
const FREEZE_TIMEOUT_MS = 10_000;
const CLEAR_TIMEOUT_MS = 10_000;

/** Undefined when the file is missing, or its cgroup went away while it was read. */
async function readKnob(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "latin1");
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENODEV") return undefined;
    throw error;
  }
}

/** False when there is no such knob. Never creates a file. */
async function writeKnob(path: string, value: string): Promise<boolean> {
  try {
    await writeFile(path, value, { flag: "r+" });
    return true;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENODEV") return false;
    throw error;
  }
}

interface Freezer {
  readonly version: 1 | 2;
  readonly dir: string;
}

async function findFreezer(dirs: readonly string[]): Promise<Freezer | undefined> {
  for (const dir of dirs) {
    if ((await readKnob(join(dir, "cgroup.freeze"))) !== undefined) return { version: 2, dir };
    if ((await readKnob(join(dir, "freezer.state"))) !== undefined) return { version: 1, dir };
  }
  return undefined;
}

async function freezerState(freezer: Freezer): Promise<"frozen" | "other"> {
  const text =
    freezer.version === 2
      ? await readKnob(join(freezer.dir, "cgroup.events"))
      : await readKnob(join(freezer.dir, "freezer.state"));
  return /^(frozen 1|FROZEN)$/m.test(text ?? "") ? "frozen" : "other";
}

export async function isFrozen(dirs: readonly string[]): Promise<boolean> {
  const freezer = await findFreezer(dirs);
  return freezer !== undefined && (await freezerState(freezer)) === "frozen";
}

/** Cheap enough for every end of a task. */
export function isLeft(dirs: readonly string[]): boolean {
  return dirs.some((dir) => existsSync(dir));
}

/**
 * Stops all processes of the task; returns when the kernel says that they stand still. `unavailable` when they do not
 * within 10 s (a process in an uninterruptible sleep): they are thawed again then.
 */
export async function freeze(dirs: readonly string[]): Promise<void> {
  const freezer = await findFreezer(dirs);
  if (freezer === undefined) throw fail("not_implemented", "this host has no cgroup freezer");
  const deadline = performance.now() + FREEZE_TIMEOUT_MS;
  for (;;) {
    // The v1 freezer may give up on a process that was about to stop, and goes on when it is asked again.
    await setFrozen(freezer, true);
    if ((await freezerState(freezer)) === "frozen") return;
    if (performance.now() > deadline) {
      await setFrozen(freezer, false);
      throw fail("unavailable", `processes in "${freezer.dir}" cannot be frozen`);
    }
    await pause(POLL_MS);
  }
}

export async function thaw(dirs: readonly string[]): Promise<void> {
  const freezer = await findFreezer(dirs);
  if (freezer !== undefined) await setFrozen(freezer, false);
}

async function setFrozen({ version, dir }: Freezer, frozen: boolean): Promise<void> {
  if (version === 2) await writeKnob(join(dir, "cgroup.freeze"), frozen ? "1" : "0");
  else await writeKnob(join(dir, "freezer.state"), frozen ? "FROZEN" : "THAWED");
}

/**
 * Kills every process in the task's cgroups and below, and removes the directories. Missing ones are fine. Throws
 * `unavailable` when something is still alive after 10 s.
 */
export async function clear(dirs: readonly string[], pidfds: Pidfds): Promise<void> {
  if (dirs.length === 0) return;
  const deadline = performance.now() + CLEAR_TIMEOUT_MS;
  for (;;) {
    const left: string[] = [];
    for (const dir of dirs) if (!(await removeTree(dir))) left.push(dir);
    if (left.length === 0) return;
    if (performance.now() > deadline) throw fail("unavailable", `cannot remove cgroup "${left[0]}"`);
    // A frozen process does not die before it is thawed.
    await thaw(left);
    for (const dir of left) await killAll(dir, pidfds);
    await pause(POLL_MS);
  }
}

/**
 * Kills every process in the task's cgroups and below; the directories stay. Missing ones are fine. Throws `unavailable`
 * when something is still alive after 10 s.
 */
export async function empty(dirs: readonly string[], pidfds: Pidfds): Promise<void> {
  const deadline = performance.now() + CLEAR_TIMEOUT_MS;
  for (;;) {
    const used: string[] = [];
    for (const dir of dirs) if ((await processesBelow(dir)).length > 0) used.push(dir);
    if (used.length === 0) return;
    if (performance.now() > deadline) throw fail("unavailable", `processes in "${used[0]}" do not end`);
    await thaw(used);
    for (const dir of used) await killAll(dir, pidfds);
    await pause(POLL_MS);
  }
}

async function children(dir: string): Promise<string[]> {
  try {
    const entries = await readdir(dir, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(dir, name));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}

/** Deepest first. True when the directory is gone. */
async function removeTree(dir: string): Promise<boolean> {
  for (const child of await children(dir)) if (!(await removeTree(child))) return false;
  try {
    await rmdir(dir);
    return true;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT") return true;
    if (errno === "EBUSY") return false;
    throw error;
  }
}

async function killAll(dir: string, pidfds: Pidfds): Promise<void> {
  if (await writeKnob(join(dir, "cgroup.kill"), "1")) return;
  for (const child of await children(dir)) await killAll(child, pidfds);
  // The list is read again behind each open pidfd: a number that is still in it is the process that was meant.
  for (const pid of membersOf(dir)) signalIf(pidfds, pid, SIGKILL, () => membersOf(dir).includes(pid));
}

function membersOf(dir: string): number[] {
  try {
    const text = readFileSync(join(dir, "cgroup.procs"), "latin1");
    return text
      .split("\n")
      .filter((line) => line !== "")
      .map(Number);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENODEV") return [];
    throw error;
  }
}
