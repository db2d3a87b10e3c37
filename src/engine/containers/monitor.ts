/**
 * What happens when a container's process ends: record, leave the networks, tell, then remove or start again as was agreed. Who is
 * told can give its addresses and ports to the next container at once.
 */
import { messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Task, TaskExit, Tasks } from "../../core/tasks/tasks.ts";
import type { RestartPolicy } from "../../specs/engine/container.ts";
import { placesOf } from "../networks/places.ts";
import type { NetworkParts } from "../networks/network-parts.ts";
import { announceJoined, leaveNetworks } from "../networks/join.ts";
import { announce, announceDeath, type EventSink } from "./announce.ts";
import type { Container } from "./container.ts";
import { healthUnwatched } from "./health.ts";
import { leaveVolumes } from "./container-volumes.ts";
import { type RemoveDeps, removeEnded } from "./remove.ts";
import { nextRestart } from "./restart-policy.ts";
import { nextStatus } from "./state.ts";
import type { ContainerStore } from "./store.ts";

export interface MonitorDeps extends RemoveDeps {
  readonly network: NetworkParts;
  readonly store: ContainerStore;
  readonly tasks: Tasks;
  readonly events: EventSink;
  readonly log: Logger;
  /** Starts a container whose restart is due: `startAgain`, given here so that start and monitor do not import each other. */
  readonly restartDue: (container: Container) => Promise<void>;
  /** False once the daemon is going down: nothing is started again then. */
  readonly mayRestart: () => boolean;
}

const ALWAYS: RestartPolicy = { Name: "always", MaximumRetryCount: 0 };

/** Follows a task to its end. The transition is one synchronous step, so it needs no lock. */
export function watch(deps: MonitorDeps, container: Container, task: Task): void {
  task.onOom(() => ranOutOfMemory(deps, container, task));
  task.exited
    .then((exit) => ended(deps, container, task, exit))
    .catch((error: unknown) =>
      deps.log.error("cannot record an exit", { id: container.id, error: messageOf(error) }),
    );
}

/** Of the main process, an exec's or any other's. Only the first time is a transition. */
function ranOutOfMemory(deps: MonitorDeps, container: Container, task: Task): void {
  if (container.task !== task) return;
  if (!container.state.oomKilled) deps.store.setState(container, { oomKilled: true });
  announce(deps.events, container, "oom");
}

function ended(deps: MonitorDeps, container: Container, task: Task, exit: TaskExit): void {
  if (container.task !== task) return;
  container.task = undefined;
  container.health?.end();
  container.health = undefined;
  const { state } = container;
  const { exitCode } = exit;
  const ranNs = exit.exitedAtNs > state.startedNs ? exit.exitedAtNs - state.startedNs : 0n;
  const delayMs = restartDelay(container, exitCode, Number(ranNs / 1_000_000n));
  deps.store.setState(container, {
    status: nextStatus(state.status, delayMs === undefined ? "exit" : "backOff"),
    pid: 0,
    exitCode,
    oomKilled: exit.oomKilled || state.oomKilled,
    finishedNs: exit.exitedAtNs,
    restartCount: state.restartCount + (delayMs === undefined ? 0 : 1),
    health: healthUnwatched(state.health),
  });
  const places = placesOf(deps.network.networks, container.id);
  const tell = (): void => {
    // It happened while no daemon listened.
    if (exit.oomKilled && !state.oomKilled) announce(deps.events, container, "oom");
    announceJoined(deps, places, "disconnect", container);
    announceDeath(deps.events, container);
    container.tellExit();
    if (container.host.AutoRemove && !container.isBeingRestarted) removeEnded(deps, container);
    else if (delayMs !== undefined && container.state.status === "restarting")
      scheduleRestart(deps, container, delayMs);
  };
  const settling = settle(deps, container, tell).finally(() => {
    if (container.settling === settling) container.settling = undefined;
  });
  container.settling = settling;
}

/** Undefined = it stays ended. */
function restartDelay(container: Container, exitCode: number, ranMs: number): number | undefined {
  const { state, host, isToStartAgain } = container;
  container.isToStartAgain = false;
  // One that never was well has not had a good run, however long it took to find out.
  const isGoodRun = !isToStartAgain || state.health?.wasHealthy === true;
  return nextRestart(isToStartAgain ? ALWAYS : host.RestartPolicy, {
    exitCode,
    ranMs: isGoodRun ? ranMs : 0,
    isCancelled: container.restartIsCancelled,
    stoppedByUser: state.stoppedByUser,
    restartCount: state.restartCount,
    delayMs: container.restartDelayMs,
  });
}

/** Gives back what the task had. Nobody starts the container again before it is told of this end. */
async function settle(deps: MonitorDeps, container: Container, tell: () => void): Promise<void> {
  const told = leaveNetworks(deps, container, sharerOf(deps.store, container))
    .then(() => leaveVolumes(deps, container))
    .then(tell);
  const removed = deps.tasks.remove(container.id);
  await removed.catch((error: unknown) =>
    deps.log.error("cannot clean up an ended task", { id: container.id, error: messageOf(error) }),
  );
  await told;
}

/** One that lives on in the ended container's network namespace, which stays for it. */
function sharerOf(store: ContainerStore, { id }: Container): Task | undefined {
  for (const { host, task } of store.all())
    if (task !== undefined && host.NetworkMode === `container:${id}`) return task;
  return undefined;
}

/** Also used for containers that a start of the daemon finds waiting. */
export function scheduleRestart(deps: MonitorDeps, container: Container, delayMs: number): void {
  if (!deps.mayRestart()) return;
  container.restartDelayMs = delayMs;
  container.restartTimer = setTimeout(() => {
    container.restartTimer = undefined;
    if (deps.mayRestart()) void deps.restartDue(container);
  }, delayMs);
}
