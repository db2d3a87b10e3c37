/** POST /containers/{id}/pause and /unpause. */
import { fail } from "../../base/errors.ts";
import type { KeyedLock } from "../../base/keyed-lock.ts";
import { announce, type EventSink } from "./announce.ts";
import type { Container } from "./container.ts";
import { healthUnwatched } from "./health.ts";
import { notRunning } from "./signal-task.ts";
import { nextStatus } from "./state.ts";
import type { ContainerStore } from "./store.ts";

export interface PauseDeps {
  readonly store: ContainerStore;
  readonly locks: KeyedLock;
  readonly events: EventSink;
}

/** `toCommit` is on the disk before anything stands still, so that a daemon that dies meanwhile leaves nobody frozen. */
export async function pause(deps: PauseDeps, container: Container, toCommit = false): Promise<void> {
  await deps.locks.run(container.id, async () => {
    const { task, state } = container;
    if (state.status === "paused") throw fail("conflict", `Container ${container.id} is already paused`);
    if (state.status === "restarting")
      throw fail("conflict", `Container ${container.id} is restarting, wait until the container is running`);
    if (task === undefined) throw notRunning(container);
    if (toCommit || state.pausedToCommit) deps.store.setState(container, { pausedToCommit: toCommit });
    await task.pause();
    if (container.task !== task) return; // it ended meanwhile
    container.health?.hold();
    deps.store.setState(container, {
      status: nextStatus(container.state.status, "pause"),
      health: healthUnwatched(container.state.health),
    });
    announce(deps.events, container, "pause");
  });
}

export async function unpause(deps: PauseDeps, container: Container): Promise<void> {
  await deps.locks.run(container.id, async () => {
    const { task, state } = container;
    if (state.status !== "paused" || task === undefined)
      throw fail("conflict", `Container ${container.id} is not paused`);
    await task.resume();
    if (container.task !== task || container.state.status !== "paused") return;
    deps.store.setState(container, { status: nextStatus("paused", "resume"), pausedToCommit: false });
    container.health?.resume();
    announce(deps.events, container, "unpause");
  });
}
