/** POST /containers/{id}/stop and /restart. */
import { fail, isCategory, messageOf } from "../../base/errors.ts";
import { timerMs } from "../../base/timer-limit.ts";
import type { Logger } from "../../base/log.ts";
import { announce } from "./announce.ts";
import type { Container } from "./container.ts";
import {
  killAndWait,
  type SignalDeps,
  sendSignal,
  stopRestarting,
  stopSignalOf,
  waitForEnd,
} from "./signal-task.ts";
import { parseSignal } from "./signals.ts";
import { type StartDeps, start } from "./start.ts";
import { countsAsRunning } from "./state.ts";

export interface StopRequest {
  /** "" = the container's own. */
  readonly signal: string;
  /** Seconds before KILL; undefined = the container's own or the daemon's, below 0 = for ever. */
  readonly timeoutSeconds: number | undefined;
}

export interface StopDeps extends SignalDeps {
  readonly log: Logger;
  /** The daemon's, of containers that do not say it. */
  readonly defaultStopSeconds: () => number;
}

/** Patience when the signal could not even be delivered. */
const UNSIGNALLED_MS = 2_000;

/** `reference`: what the user calls the container. Throws `not_modified` for one that does not run. */
export async function stopAsAsked(
  deps: StopDeps,
  container: Container,
  request: StopRequest,
  reference: string,
): Promise<void> {
  try {
    await stop(deps, container, request);
  } catch (error) {
    if (isCategory(error, "not_modified")) throw error;
    throw fail("internal", `cannot stop container: ${reference}: ${messageOf(error)}`, error);
  }
}

/** Throws `not_modified` for one that does not run. */
export async function stop(deps: StopDeps, container: Container, request: StopRequest): Promise<void> {
  if (!countsAsRunning(container.state.status)) throw fail("not_modified", "container is already stopped");
  const signal = signalOf(container, request);
  container.restartIsCancelled = true;
  deps.store.setState(container, { stoppedByUser: true });
  if (container.task === undefined) await stopRestarting(deps, container);
  if (container.task !== undefined)
    await endProcess(deps, container, signal, timeoutMs(deps, container, request.timeoutSeconds));
  announce(deps.events, container, "stop");
}

function signalOf(container: Container, { signal }: StopRequest): number {
  return signal === "" ? stopSignalOf(container) : parseSignal(signal);
}

/** Seconds; below 0 = for ever. */
export function stopTimeoutOf(
  { defaultStopSeconds }: Pick<StopDeps, "defaultStopSeconds">,
  container: Pick<Container, "config">,
): number {
  return container.config.StopTimeout ?? defaultStopSeconds();
}

function timeoutMs(deps: StopDeps, container: Container, wanted: number | undefined): number {
  const seconds = wanted ?? stopTimeoutOf(deps, container);
  return seconds < 0 ? -1 : timerMs(seconds * 1000);
}

/** The stop signal, and KILL after the container's own time-out; whether it starts again is up to its policy. */
export async function endGently(deps: StopDeps, container: Container): Promise<void> {
  await endProcess(deps, container, stopSignalOf(container), timeoutMs(deps, container, undefined));
}

/** For the daemon's own end: nobody has wished it, so that the restart policy counts at the next start. */
export async function stopForShutdown(deps: StopDeps, container: Container): Promise<void> {
  if (container.task === undefined) return;
  await endGently(deps, container);
  announce(deps.events, container, "stop");
  await container.settling;
}

async function endProcess(
  deps: StopDeps,
  container: Container,
  signal: number,
  patienceMs: number,
): Promise<void> {
  let patience = patienceMs;
  const { task } = container;
  try {
    await sendSignal(deps, container, signal);
  } catch (error) {
    deps.log.warn("cannot deliver the stop signal", { id: container.id, error: messageOf(error) });
    patience = UNSIGNALLED_MS;
  }
  if (await waitForEnd(container, patience)) return;
  if (container.task === task) await killAndWait(deps, container);
}

/** Stops it if it runs, then starts it. `--rm` does not apply in between. `reference`: what the user calls it. */
export async function restart(
  deps: StopDeps & StartDeps,
  container: Container,
  request: StopRequest,
  reference: string,
): Promise<void> {
  container.isBeingRestarted = true;
  try {
    if (countsAsRunning(container.state.status)) await stop(deps, container, request);
    await start(deps, container);
  } catch (error) {
    throw fail("internal", `Cannot restart container ${reference}: ${messageOf(error)}`, error);
  } finally {
    container.isBeingRestarted = false;
  }
  announce(deps.events, container, "restart");
}
