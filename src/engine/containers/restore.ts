/**
 * The start of the daemon: what the store says, what still runs and what lies on the disk are brought together again.
 *
 *     row + live task            adopted as running, whatever the row says
 *     paused to be committed     goes on: the commit is no more
 *     row + ended task           gets its exit now, with all that follows from it
 *     row that has this exit     what follows from it, as far as that was not done
 *     row says running, no task  the exit code was lost: 255
 *     directory or snapshot without a row   garbage of an unfinished create or remove
 */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, messageOf } from "../../base/errors.ts";
import type { EventBus } from "../../core/events/events.ts";
import type { Snapshotter } from "../../core/snapshots/snapshotter.ts";
import type { Task } from "../../core/tasks/tasks.ts";
import type { Volumes } from "../../core/volumes/volumes.ts";
import {
  adoptNetworks,
  forgetEndpoints,
  restoreNetworks,
  settleNetworks,
  type RestoreNetworksDeps,
} from "../networks/restore-networks.ts";
import { announceJoined } from "../networks/join.ts";
import { placesOf } from "../networks/places.ts";
import { announceDeath } from "./announce.ts";
import { mendLimits } from "./change-limits.ts";
import type { Container } from "./container.ts";
import { healthAtStart, healthUnwatched } from "./health.ts";
import type { HealthChecks } from "./health-monitor.ts";
import { forwardLog } from "./log-options.ts";
import { type MonitorDeps, scheduleRestart, watch } from "./monitor.ts";
import { snapshotsOf } from "./mounted-images.ts";
import { removeEnded } from "./remove.ts";
import { FIRST_DELAY_MS, nextRestart } from "./restart-policy.ts";
import { countsAsRunning } from "./state.ts";
import { nowNs } from "./timestamp.ts";

export interface RestoreDeps
  extends Omit<MonitorDeps, "snapshots" | "volumes">,
    Omit<RestoreNetworksDeps, "network"> {
  readonly events: Pick<EventBus, "publish" | "subscribe">;
  readonly health: Pick<HealthChecks, "watch">;
  readonly snapshots: Pick<Snapshotter, "active" | "remove">;
  readonly volumes: MonitorDeps["volumes"] & Pick<Volumes, "reconcile">;
}

/** Docker's exit code for a process of which nothing is left to tell the real one. */
const LOST_EXIT_CODE = 255;
/** For the history of events to be read. */
const HISTORY_MS = 10_000;

/** Returns those that were found running; others that are to run are started from now on. */
export async function restore(deps: RestoreDeps): Promise<readonly Container[]> {
  deps.store.load(deps.log);
  await restoreNetworks(deps);
  const containers = [...deps.store.all()];
  const tasks = await deps.tasks.reconnect(containers.map(({ id }) => id));
  // Who runs comes first: his addresses and ports are nobody else's when the others begin again.
  const isRunning = ({ id }: Container): boolean => tasks.has(id);
  const found = containers.filter(isRunning);
  const inTurn = [...found, ...containers.filter((one) => !isRunning(one))];
  for (const container of inTurn) {
    try {
      await restoreOne(deps, container, tasks.get(container.id));
    } catch (error) {
      deps.log.error("cannot restore a container", { id: container.id, error: messageOf(error) });
    }
  }
  await settleNetworks(deps);
  await deps.volumes.reconcile();
  await sweep(deps);
  return found;
}

async function restoreOne(deps: RestoreDeps, container: Container, task: Task | undefined): Promise<void> {
  const { status } = container.state;
  if (status === "removing" || status === "dead") {
    deps.store.setState(container, { status: "dead", pid: 0 });
    if (task !== undefined) await finishExit(deps, container);
    removeEnded(deps, container);
    return;
  }
  if (task !== undefined || container.state.startedNs !== 0n) forwardLog(deps, container, task);
  if (task !== undefined) {
    if (!(await hasItsExit(container, task))) {
      await adopt(deps, container, task);
      return;
    }
    await finishExit(deps, container);
  }
  forgetEndpoints(deps.network, container.id);
  if (status === "running" || status === "paused")
    deps.store.setState(container, {
      status: "exited",
      pid: 0,
      exitCode: LOST_EXIT_CODE,
      finishedNs: nowNs(),
      health: healthUnwatched(container.state.health),
    });
  else if (status === "restarting") deps.store.setState(container, { status: "exited", pid: 0 });
  if (container.host.AutoRemove && container.state.status === "exited") removeEnded(deps, container);
  else if (isDue(container)) {
    // It begins anew, as when a user starts it.
    deps.store.setState(container, { status: "restarting", restartCount: 0, stoppedByUser: false });
    scheduleRestart(deps, container, FIRST_DELAY_MS);
    container.restartDelayMs = 0;
  }
}

/** Whether the row has the end of this task, and not of the one before. */
async function hasItsExit({ state }: Container, task: Task): Promise<boolean> {
  if (!["exited", "restarting"].includes(state.status) || task.madeAtNs > state.finishedNs) return false;
  return (await Promise.race([task.exited, Promise.resolve()])) !== undefined;
}

/** The daemon died after it had written the row: its end may have been told, or not. */
async function finishExit(deps: RestoreDeps, container: Container): Promise<void> {
  if (!(await wasTold(deps.events, container))) {
    announceJoined(deps, placesOf(deps.network.networks, container.id), "disconnect", container);
    announceDeath(deps.events, container);
  }
  await deps.tasks.remove(container.id);
}

async function wasTold(events: RestoreDeps["events"], { id, state }: Container): Promise<boolean> {
  const told = events.subscribe({
    sinceNs: state.finishedNs,
    untilNs: nowNs(),
    filters: new Map([
      ["type", new Set(["container"])],
      ["event", new Set(["die"])],
      ["container", new Set([id])],
    ]),
    signal: AbortSignal.timeout(HISTORY_MS),
  });
  for await (const _ of told) return true;
  return false;
}

/** A task whose end was missed tells it through `exited`, as one that ends later does. */
async function adopt(deps: RestoreDeps, container: Container, task: Task): Promise<void> {
  container.task = task;
  const { status, pausedToCommit } = container.state;
  if (!["running", "paused"].includes(status))
    deps.store.setState(container, {
      exitCode: 0,
      error: "",
      oomKilled: false,
      startedNs: task.madeAtNs,
      health: healthAtStart(container.config, container.state.health),
    });
  // The daemon may have died between the deed and the row.
  const found = task.isPaused ? "paused" : "running";
  if (found !== status) deps.store.setState(container, { status: found });
  deps.store.setState(container, { pid: task.pid });
  await mendLimits(deps, container, task);
  await adoptNetworks(deps, container, task);
  deps.health.watch(container, task);
  watch(deps, container, task);
  if (!pausedToCommit) return;
  if (task.isPaused) await task.resume();
  if (container.task !== task) return;
  deps.store.setState(container, { status: "running", pausedToCommit: false });
  container.health?.resume();
}

/** After a restart of the daemon `always` also revives what a user had stopped; a container never started is left alone. */
function isDue(container: Container): boolean {
  const { state, host } = container;
  if (countsAsRunning(state.status) || state.startedNs === 0n) return false;
  const isAlways = host.RestartPolicy.Name === "always";
  return (
    nextRestart(host.RestartPolicy, {
      exitCode: state.exitCode,
      ranMs: 0,
      isCancelled: state.stoppedByUser && !isAlways,
      stoppedByUser: state.stoppedByUser,
      restartCount: state.restartCount,
      delayMs: 0,
    }) !== undefined
  );
}

async function sweep(deps: RestoreDeps): Promise<void> {
  const owned = new Set([...deps.store.all()].flatMap(snapshotsOf));
  const orphans = deps.snapshots.active().filter(({ id }) => !owned.has(id));
  for (const { id } of orphans) {
    deps.log.info("deleting a snapshot that is nobody's", { id });
    await deps.snapshots.remove(id);
  }
  // The images had their turn before: what only an orphan stood on was in use then.
  if (orphans.length > 0) await deps.images.collect();
  for (const name of await entriesOf(deps.containersDir))
    if (/^[0-9a-f]{64}$/.test(name) && deps.store.get(name) === undefined) {
      deps.log.info("deleting the directory of a container that is gone", { id: name });
      await rm(join(deps.containersDir, name), { recursive: true, force: true });
    }
}

async function entriesOf(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}
