/** Sending signals to a container's main process, and waiting for its end: shared by kill, stop, restart and remove. */
import { withDeadline } from "../../base/deadline.ts";
import { fail, isCategory } from "../../base/errors.ts";
import type { Task } from "../../core/tasks/tasks.ts";
import { announce, type EventSink } from "./announce.ts";
import type { Container } from "./container.ts";
import { parseSignal, SIGKILL, SIGTERM } from "./signals.ts";
import { nextStatus } from "./state.ts";
import type { ContainerStore } from "./store.ts";

export interface SignalDeps {
  readonly store: ContainerStore;
  readonly events: EventSink;
}

const KILL_DEADLINE_MS = 10_000;
const LAST_WORDS_MS = 2_000;

export function stopSignalOf(container: Container): number {
  return container.config.StopSignal === "" ? SIGTERM : parseSignal(container.config.StopSignal);
}

/**
 * Whether a user who sends it wants the container ended, for good: it thaws one that stands still, and no policy starts the
 * container again. One that has no stop signal of its own takes every signal for that, as with Docker.
 */
export function meansEnd(container: Container, signal: number): boolean {
  return signal === SIGKILL || container.config.StopSignal === "" || signal === stopSignalOf(container);
}

export function notRunning(container: Container): Error {
  return fail("conflict", `container ${container.id} is not running`);
}

/**
 * Delivers `signal`; one that is meant to end a paused container also thaws it. Throws `conflict` when nothing runs. A process that
 * ends meanwhile is fine.
 */
export async function sendSignal(deps: SignalDeps, container: Container, signal: number): Promise<void> {
  const { task } = container;
  if (task === undefined) throw notRunning(container);
  announce(deps.events, container, "kill", { signal: String(signal) }); // first: its effect has an event of its own
  try {
    await task.signal(signal);
    if (meansEnd(container, signal) && container.state.status === "paused" && container.task === task) {
      await task.resume();
      if (container.task === task && container.state.status === "paused") {
        deps.store.setState(container, { status: nextStatus("paused", "resume") });
        container.health?.resume();
        announce(deps.events, container, "unpause");
      }
    }
  } catch (error) {
    if (container.task !== task || isCategory(error, "not_found") || (await endsSoon(task))) return;
    throw error;
  }
}

/** A shim that is going away with its process may break off in the middle of an answer, just before it is known to be gone. */
async function endsSoon(task: Task): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), LAST_WORDS_MS);
  try {
    return await Promise.race([task.exited.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves with true once the process that runs now has ended, or with false after `timeoutMs`; below 0 = no limit. */
export async function waitForEnd(container: Container, timeoutMs: number): Promise<boolean> {
  if (container.task === undefined) {
    await container.settling;
    return true;
  }
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const forget = container.onExit(() => resolve(true));
  if (timeoutMs < 0) return promise;
  const timer = setTimeout(() => resolve(false), timeoutMs);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    forget();
  }
}

/** SIGKILL and its effect. Throws `unavailable` when the kernel does not let the process end in time. */
export async function killAndWait(deps: SignalDeps, container: Container): Promise<void> {
  const ended = waitForEnd(container, -1);
  await sendSignal(deps, container, SIGKILL);
  await withDeadline(`end of killed container ${container.id}`, KILL_DEADLINE_MS, ended);
}

/**
 * Ends the waiting of a container whose next start is due. A start that has begun is not broken off: when this returns, its process
 * runs, and is the caller's to end.
 */
export async function stopRestarting(deps: SignalDeps, container: Container): Promise<void> {
  container.cancelRestart();
  container.restartIsCancelled = true;
  await container.startingAgain;
  if (container.state.status !== "restarting") return;
  deps.store.setState(container, { status: nextStatus("restarting", "exit"), stoppedByUser: true });
  container.tellExit();
}
