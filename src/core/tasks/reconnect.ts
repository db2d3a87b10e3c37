/** Finding the tasks of an earlier daemon again, each from its run directory and its shim's own words. */
import { fail, messageOf } from "../../base/errors.ts";
import type { ShimConnection } from "../../shim/client.ts";
import { type ProcessIdentity, type ShimState, decodeState } from "../../shim/protocol.ts";
import { giveUp, type LeftoverDeps, readExit, readSpec, settleLeftover } from "./leftovers.ts";
import { ShimTask } from "./shim-task.ts";

const AT_ONCE = 32;

/** Returns the tasks among `ids`, and clears away every run directory that is nobody's. */
export async function findTasks(deps: LeftoverDeps, ids: readonly string[]): Promise<Map<string, ShimTask>> {
  const found = new Map<string, ShimTask>();
  const wanted = new Set(ids);
  await inParallel(await deps.directories.list(), async (id) => {
    try {
      const task = wanted.has(id) ? await findTask(deps, id) : undefined;
      if (task !== undefined) found.set(id, task);
      else await discard(deps, id);
    } catch (error) {
      deps.log.error("cannot reconnect to a task", { id, error: messageOf(error) });
    }
  });
  return found;
}

async function inParallel(ids: readonly string[], work: (id: string) => Promise<void>): Promise<void> {
  const queue = ids.values();
  const worker = async (): Promise<void> => {
    for (const id of queue) await work(id);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

async function discard(deps: LeftoverDeps, id: string): Promise<void> {
  deps.log.info("clearing away a task that nobody knows", { id });
  await giveUp(deps, id);
}

/** Undefined when the task never ran: its start was cut short. */
async function findTask(deps: LeftoverDeps, id: string): Promise<ShimTask | undefined> {
  const { directories } = deps;
  if (await directories.isGivenUp(id)) return undefined;
  const spec = await readSpec(deps, id);
  if (spec === undefined) return undefined;
  const task = new ShimTask(deps, id, spec, await deps.foreign.find(id));
  const identity = await readIdentity(deps, id);
  if (identity !== undefined) task.setProcess(identity, await directories.madeAtNs(id));
  if ((await readExit(deps, id)) !== undefined) {
    task.settle(await settleLeftover(deps, id));
    return task;
  }
  const hasProcess = await converse(deps, task, task.adopt(directories.connect(id)));
  if (!hasProcess) return undefined;
  if (!task.isEnded) task.setPaused(await isPaused(deps, task));
  return task;
}

/** A runtime that does not say so in time is taken to run it. */
async function isPaused({ planner, cgroups, log }: LeftoverDeps, task: ShimTask): Promise<boolean> {
  const { id, spec, foreign } = task;
  if (foreign === undefined) return cgroups.isFrozen(planner.cgroupDirs(id, spec));
  try {
    return await foreign.isPaused();
  } catch (error) {
    log.warn("cannot ask a runtime whether a task is paused", { id, error: messageOf(error) });
    return false;
  }
}

/** Undefined when no process was made, or the record is damaged. */
async function readIdentity(
  { directories, log }: LeftoverDeps,
  id: string,
): Promise<ProcessIdentity | undefined> {
  try {
    return await directories.readPid(id);
  } catch (error) {
    log.error("cannot read a task's process", { id, error: messageOf(error) });
    return undefined;
  }
}

/** Whether there is, or was, a started process behind this shim. */
async function converse(deps: LeftoverDeps, task: ShimTask, control: ShimConnection): Promise<boolean> {
  const isKnown = task.pid > 0;
  const answer = ask(control);
  const { promise: silence, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, deps.answerTimeoutMs);
  try {
    const state = await Promise.race([answer, silence]);
    if (state === undefined) {
      answer.then(
        (late) => concludeLate(deps, task, late),
        () => {},
      );
      deps.log.warn("shim does not answer", { id: task.id, managed: isKnown });
      return isKnown;
    }
    task.setProcess(state);
    return isLife(state);
  } catch (error) {
    deps.log.warn("task has no living shim", { id: task.id, error: messageOf(error) });
    if (isKnown) task.settle(await settleLeftover(deps, task.id));
    return isKnown;
  } finally {
    clearTimeout(timer);
  }
}

/** Subscribing comes first: what happens between the two is told by an event. */
async function ask(control: ShimConnection): Promise<ShimState> {
  const [, state] = await Promise.all([
    control.request({ kind: "subscribe" }, undefined),
    control.request({ kind: "state" }, undefined),
  ]);
  return decodeState(state);
}

function isLife({ status }: ShimState): boolean {
  return status === "running" || status === "exited";
}

function concludeLate(deps: LeftoverDeps, task: ShimTask, state: ShimState): void {
  deps.log.info("shim answers again", { id: task.id, status: state.status });
  if (!isLife(state)) task.control.close();
}

/** Once more to the shim of a task whose control connection has ended. Throws `unavailable` when it is dead. */
export async function reattach(deps: LeftoverDeps, task: ShimTask): Promise<void> {
  const control = task.adopt(deps.directories.connect(task.id));
  await control.request({ kind: "subscribe" }, deps.answerTimeoutMs);
  const state = decodeState(await control.request({ kind: "state" }, deps.answerTimeoutMs));
  if (state.status !== "running") throw fail("unavailable", `shim of "${task.id}" is "${state.status}"`);
}
