/**
 * A container's control groups for a program that does one thing and ends: as task-cgroup.ts, but synchronous, since a
 * thread pool costs a millisecond to start. Whatever may take time (processes that must die first) is left to that file.
 */
import { readFileSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, fail } from "../base/errors.ts";

const FREEZE_TIMEOUT_MS = 10_000;
const POLL_MS = 1;
const MOST_CGROUPS = 10_000;

export interface Freezer {
  readonly version: 1 | 2;
  readonly dir: string;
}

function readKnob(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENODEV") return undefined;
    throw error;
  }
}

/** The freezer's own hierarchy on v1, the only one on v2; a directory is known by the knobs in it. */
function findFreezer(dirs: readonly string[]): Freezer | undefined {
  // The likely one first: each look at a wrong one is a system call.
  for (const dir of dirs.toSorted(
    (a, b) => Number(b.includes("/freezer/")) - Number(a.includes("/freezer/")),
  )) {
    if (readKnob(join(dir, "freezer.state")) !== undefined) return { version: 1, dir };
    if (readKnob(join(dir, "cgroup.freeze")) !== undefined) return { version: 2, dir };
  }
  return undefined;
}

export function isFrozenNow(dirs: readonly string[]): boolean {
  const freezer = findFreezer(dirs);
  return freezer !== undefined && stateOf(freezer) === "frozen";
}

function stateOf({ version, dir }: Freezer): "frozen" | "other" {
  const text = readKnob(join(dir, version === 2 ? "cgroup.events" : "freezer.state"));
  return /^(frozen 1|FROZEN)$/m.test(text ?? "") ? "frozen" : "other";
}

function set({ version, dir }: Freezer, frozen: boolean): void {
  const file = join(dir, version === 2 ? "cgroup.freeze" : "freezer.state");
  const value = version === 2 ? (frozen ? "1" : "0") : frozen ? "FROZEN" : "THAWED";
  writeFileSync(file, value, { flag: "r+" });
}

/**
 * Returns when the kernel says that all processes stand still. `unavailable` when they do not within 10 s: they are thawed
 * again then. `not_implemented` without a freezer.
 */
export async function freezeNow(
  dirs: readonly string[],
  sleep: (ms: number) => void | Promise<void>,
): Promise<void> {
  const freezer = freezerOf(dirs);
  const deadline = performance.now() + FREEZE_TIMEOUT_MS;
  for (;;) {
    // v1 may give up on a process that was about to stop, and goes on when it is asked again.
    set(freezer, true);
    if (stateOf(freezer) === "frozen") return;
    if (performance.now() > deadline) break;
    await sleep(POLL_MS);
  }
  set(freezer, false);
  throw fail("unavailable", `processes in "${freezer.dir}" cannot be frozen`);
}

export function thawNow(dirs: readonly string[]): void {
  set(freezerOf(dirs), false);
}

/** Of processes that have been killed: on v2 they do not wait for it, and systemd takes an empty scope away. */
export function thawDyingNow(dirs: readonly string[]): void {
  const freezer = findFreezer(dirs);
  if (freezer === undefined) return;
  try {
    set(freezer, false);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== "ENOENT" && errno !== "ENODEV") throw error;
  }
}

/** Throws `not_implemented` when there is none. */
export function freezerOf(dirs: readonly string[]): Freezer {
  const freezer = findFreezer(dirs);
  if (freezer === undefined) throw fail("not_implemented", "the container has no cgroup that can be frozen");
  return freezer;
}

/** Removes those that are empty and have none below them; returns the others. Missing is fine. */
export function removeEmptyCgroups(dirs: readonly string[]): string[] {
  return dirs.filter((dir) => {
    try {
      rmdirSync(dir);
      return false;
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === "ENOENT") return false;
      if (errno === "EBUSY" || errno === "ENOTEMPTY") return true;
      throw error;
    }
  });
}

/** All processes of the container, ascending: those in its cgroup and below, from the first directory that is there. */
export function cgroupMembers(dirs: readonly string[]): number[] {
  const pids = new Set<number>();
  const first = dirs.find((dir) => readKnob(join(dir, "cgroup.procs")) !== undefined);
  const pending = first === undefined ? [] : [first];
  for (let looked = 0; looked < MOST_CGROUPS; looked++) {
    const dir = pending.pop();
    if (dir === undefined) break;
    for (const pid of membersOf(dir)) pids.add(pid);
    for (const child of children(dir)) pending.push(join(dir, child));
  }
  return [...pids].sort((a, b) => a - b);
}

/** A threaded cgroup refuses to list processes (EOPNOTSUPP, in Bun ENOTSUP); its root above lists them. */
function membersOf(dir: string): number[] {
  try {
    return (readKnob(join(dir, "cgroup.procs")) ?? "").split("\n").filter(Boolean).map(Number);
  } catch (error) {
    if (["EOPNOTSUPP", "ENOTSUP"].includes(errnoOf(error) ?? "")) return [];
    throw error;
  }
}

function children(dir: string): string[] {
  try {
    return readdirSync(dir, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENODEV") return [];
    throw error;
  }
}
