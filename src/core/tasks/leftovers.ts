/**
 * Clearing away what a dead (or unusable) shim left: its container's processes and control groups. Everything is found
 * again from names and records, so this works for tasks of an earlier daemon and at every stage of a start.
 */
import { messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Native } from "../../linux/native.ts";
import {
  type Pidfds,
  isRunning,
  SIGKILL,
  signalIf,
  killProcess,
  processesRunning,
} from "../../linux/process-identity.ts";
import type { CgroupSample } from "../../linux/cgroup-use.ts";
import type { LinuxResources } from "../../specs/oci-runtime/resources.ts";
import type { Spec } from "../../specs/oci-runtime/spec.ts";
import type { ForeignRuntimes } from "./foreign-runtime.ts";
import type { Planner } from "./planner.ts";
import type { RunDirectories } from "./run-directory.ts";
import type { Scopes } from "./scopes.ts";
import { shimArguments } from "./spawn-shim.ts";
import type { TaskExit } from "./tasks.ts";

/** What the tasks' cgroups are to their manager; functions of linux/task-cgroup.ts, cgroup-use.ts and cgroup-update.ts. */
export interface TaskCgroups {
  use(dirs: readonly string[]): Promise<CgroupSample | undefined>;
  update(dirs: readonly string[], resources: LinuxResources): Promise<void>;
  freeze(dirs: readonly string[]): Promise<void>;
  thaw(dirs: readonly string[]): Promise<void>;
  isFrozen(dirs: readonly string[]): Promise<boolean>;
  /** Whether one of them is there. */
  isLeft(dirs: readonly string[]): boolean;
  /** Kills who is in them. */
  empty(dirs: readonly string[], pidfds: Pidfds): Promise<void>;
  clear(dirs: readonly string[], pidfds: Pidfds): Promise<void>;
}

export interface LeftoverDeps {
  readonly directories: RunDirectories;
  readonly planner: Planner;
  readonly foreign: Pick<ForeignRuntimes, "find" | "make">;
  readonly cgroups: TaskCgroups;
  readonly scopes: Scopes;
  readonly pidfds: Pidfds & Pick<Native, "pidfdGetfd">;
  readonly log: Logger;
  /** How long a shim of an earlier daemon may be silent before its task is managed without its answer; 2000 by custom. */
  readonly answerTimeoutMs: number;
}

/**
 * Kills the task's shim, if there still is one, its main process and everything in its cgroups, and removes the
 * cgroups; another runtime is told to delete what it knows of it. Each step is tried whatever became of the others; failures are logged. The run directory stays.
 */
export async function killLeftover(deps: LeftoverDeps, id: string): Promise<void> {
  const { directories, pidfds } = deps;
  await attempt(deps, id, "kill the shim", () => {
    const argv = shimArguments(id);
    for (const pid of processesRunning(argv)) signalIf(pidfds, pid, SIGKILL, () => isRunning(pid, argv));
  });
  await attempt(deps, id, "kill the main process", async () => {
    const identity = await directories.readPid(id);
    if (identity !== undefined) killProcess(pidfds, identity);
  });
  await clearTask(deps, id);
}

/**
 * Of a start that was cut short or has failed, and of what nobody knows: as if it had never been.
 *
 * On crash: marked first, so that nobody takes what is left of it for a task whose shim was killed.
 */
export async function giveUp(deps: LeftoverDeps, id: string): Promise<void> {
  deps.directories.markGivenUp(id);
  await killLeftover(deps, id);
  await deps.directories.remove(id);
}

/** Undefined when config.json is missing or cut short: then the shim was never told what to make. */
export async function readSpec(
  { directories, planner, log }: LeftoverDeps,
  id: string,
): Promise<Spec | undefined> {
  const text = await directories.readConfig(id);
  if (text === undefined) return undefined;
  try {
    return planner.decodeSpec(text);
  } catch (error) {
    log.warn("task has a damaged config.json", { id, error: messageOf(error) });
    return undefined;
  }
}

/**
 * How a task ended whose shim is gone: as the shim recorded it, else as if killed. Clears away what is left of it. A
 * shim that has recorded the end is not disturbed: it may still be handing the last output to a client.
 */
export async function settleLeftover(deps: LeftoverDeps, id: string): Promise<TaskExit> {
  const recorded = await readExit(deps, id);
  if (recorded !== undefined) {
    await clearTask(deps, id);
    return recorded;
  }
  await killLeftover(deps, id);
  const exitedAtNs = BigInt(Date.now()) * 1_000_000n;
  return { exitCode: 137, signal: 9, oomKilled: false, exitedAtNs, lost: true };
}

/** Undefined when there is no record, or a damaged one. */
export async function readExit(
  { directories, log }: LeftoverDeps,
  id: string,
): Promise<TaskExit | undefined> {
  try {
    return await directories.readExit(id);
  } catch (error) {
    log.error("cannot read how a task ended", { id, error: messageOf(error) });
    return undefined;
  }
}

async function clearTask(deps: LeftoverDeps, id: string): Promise<void> {
  await attempt(deps, id, "delete the container", async () => {
    const container = await deps.foreign.find(id);
    await container?.destroy();
  });
  await clearCgroups(deps, id);
}

/**
 * What is left in the task's cgroups is killed, and they are removed. To be called for another runtime's tasks also when all
 * went well: runsc's `delete` leaves them when a helper of its own is still about to end.
 */
export async function clearCgroups(deps: LeftoverDeps, id: string): Promise<void> {
  await attempt(deps, id, "clear the cgroups", async () => {
    const spec = await readSpec(deps, id);
    if (spec === undefined) return;
    const container = await deps.foreign.find(id);
    const dirs = container?.cgroupDirs(spec) ?? deps.planner.cgroupDirs(id, spec);
    try {
      await endScope(deps, deps.planner.scope(id, spec), dirs);
    } finally {
      await deps.cgroups.clear(dirs, deps.pidfds);
    }
  });
}

/**
 * On crash: its directories are systemd's to remove, so as long as there is one the unit is still to be stopped. systemd need
 * not hear of a directory that goes in another way.
 */
async function endScope(
  { cgroups, scopes, pidfds }: LeftoverDeps,
  unit: string | undefined,
  dirs: readonly string[],
): Promise<void> {
  if (unit === undefined) return;
  await cgroups.empty(dirs, pidfds);
  await scopes.stop(unit);
}

async function attempt(
  { log }: LeftoverDeps,
  id: string,
  what: string,
  work: () => Promise<void> | void,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    log.error(`cannot ${what} of a task`, { id, error: messageOf(error) });
  }
}
