/**
 * A container's life as one table: status × event → next status. What is not in the table is a conflict; the verbs
 * check for it first because each has its own wording.
 */
import { fail } from "../../base/errors.ts";
import type { ContainerStatus } from "../../specs/engine/container.ts";

export type LifeEvent =
  /** The process runs. */
  | "start"
  /** The process ended and stays ended. */
  | "exit"
  /** The process ended and the restart policy will start it again. */
  | "backOff"
  | "pause"
  | "resume"
  | "remove"
  /** Removing failed half-way. */
  | "removeFailed";

const TABLE: Readonly<Record<ContainerStatus, Readonly<Partial<Record<LifeEvent, ContainerStatus>>>>> = {
  created: { start: "running", remove: "removing" },
  running: { exit: "exited", backOff: "restarting", pause: "paused" },
  paused: { exit: "exited", backOff: "restarting", resume: "running" },
  restarting: { start: "running", exit: "exited", backOff: "restarting" },
  exited: { start: "running", remove: "removing" },
  removing: { removeFailed: "dead" },
  dead: { remove: "removing" },
};

/** Throws `conflict` for an event that the status does not allow. */
export function nextStatus(status: ContainerStatus, event: LifeEvent): ContainerStatus {
  const next = TABLE[status][event];
  if (next === undefined) throw fail("conflict", `cannot ${event} a container that is ${status}`);
  return next;
}

/** Docker's State.Running: also true while paused or waiting for a restart. */
export function countsAsRunning(status: ContainerStatus): boolean {
  return status === "running" || status === "paused" || status === "restarting";
}
