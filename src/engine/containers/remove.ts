/** DELETE /containers/{id}, and what `--rm` and prune do. */
import { rm } from "node:fs/promises";
import { fail, isCategory, messageOf } from "../../base/errors.ts";
import type { KeyedLock } from "../../base/keyed-lock.ts";
import type { Logger } from "../../base/log.ts";
import type { Images } from "../../core/images/images.ts";
import type { Snapshotter } from "../../core/snapshots/snapshotter.ts";
import type { NetworkParts } from "../networks/network-parts.ts";
import { announce, type EventSink } from "./announce.ts";
import type { Container } from "./container.ts";
import { type ContainerVolumesDeps, removeOwnVolumes } from "./container-volumes.ts";
import type { LogDeps } from "./log-options.ts";
import { imagesOf, snapshotsOf } from "./mounted-images.ts";
import { containerPaths } from "./paths.ts";
import { killAndWait, stopRestarting } from "./signal-task.ts";
import { nextStatus } from "./state.ts";
import { type ContainerStore, durabilityOf } from "./store.ts";

export interface RemoveDeps extends ContainerVolumesDeps, LogDeps {
  readonly store: ContainerStore;
  readonly locks: KeyedLock;
  readonly snapshots: Pick<Snapshotter, "remove">;
  readonly images: Pick<Images, "resolve" | "collect">;
  readonly events: EventSink;
  readonly log: Logger;
  readonly network: Pick<NetworkParts, "networks">;
}

/** Throws `conflict` for one that runs (without `force`) or is being removed already. */
export async function remove(
  deps: RemoveDeps,
  container: Container,
  options: { readonly force: boolean; readonly volumes: boolean },
): Promise<void> {
  if (container.state.status === "removing")
    throw fail("conflict", `removal of container ${container.id} is already in progress`);
  await deps.locks.run(container.id, async () => {
    if (deps.store.get(container.id) !== container) return;
    checkRemovable(container, options.force);
    await endForGood(deps, container);
    if (deps.store.get(container.id) === container) await removeContainer(deps, container, options);
  });
}

function checkRemovable(container: Container, force: boolean): void {
  if (force) return;
  const refuse = (why: string): never => {
    throw fail("conflict", `cannot remove container "/${container.name}": ${why}`);
  };
  const { status } = container.state;
  if (status === "paused") refuse("container is paused and must be unpaused first");
  if (status === "restarting")
    refuse("container is restarting: stop the container before removing or force remove");
  if (status === "running")
    refuse("container is running: stop the container before removing or force remove");
}

/** Makes sure that nothing of it runs and nothing will. The caller holds its lock. */
export async function endForGood(deps: RemoveDeps, container: Container): Promise<void> {
  await stopRestarting(deps, container);
  if (container.task === undefined) return;
  deps.store.setState(container, { stoppedByUser: true });
  await killAndWait(deps, container);
}

/** `--rm`, or a removal that a dead daemon had begun: in turn with whatever else is done to the container. */
export function removeEnded(deps: RemoveDeps, container: Container): void {
  const work = async (): Promise<void> => {
    if (deps.store.get(container.id) === container)
      await removeContainer(deps, container, {
        volumes: container.host.AutoRemove || container.state.removesVolumes,
      });
  };
  deps.locks
    .run(container.id, work)
    .catch((error: unknown) =>
      deps.log.error("cannot remove an ended container", { id: container.id, error: messageOf(error) }),
    );
}

/**
 * Removes a container that does not run; the caller holds its lock. Row and name are gone when this returns, and who
 * waits for the removal has been told; the files go in the background, and what a crash leaves of them is garbage to
 * the next start. `volumes`: those that came with it, too; they go first, because nobody would know of them afterwards.
 */
export async function removeContainer(
  deps: RemoveDeps,
  container: Container,
  { volumes }: { readonly volumes: boolean },
): Promise<void> {
  deps.store.setState(container, {
    status: nextStatus(container.state.status, "remove"),
    removesVolumes: volumes,
  });
  if (volumes) await removeOwnVolumes(deps, container, durabilityOf(container));
  await deps.logging.forwarding.release(container.id);
  try {
    deps.store.delete(container, (durability) => deps.network.networks.detachAll(container.id, durability));
  } catch (error) {
    deps.store.setState(container, {
      status: nextStatus("removing", "removeFailed"),
      error: messageOf(error),
    });
    throw error;
  }
  container.dropAttaching();
  announce(deps.events, container, "destroy");
  container.tellRemoval();
  void removeFiles(deps, container);
}

async function removeFiles(deps: RemoveDeps, container: Container): Promise<void> {
  try {
    await container.settling;
    for (const snapshot of snapshotsOf(container)) await deps.snapshots.remove(snapshot);
    if ([...imagesOf(container)].some((image) => !hasImage(deps.images, image))) await deps.images.collect();
    await rm(containerPaths(deps.containersDir, container.id).directory, { recursive: true, force: true });
  } catch (error) {
    deps.log.error("cannot delete the files of a removed container", {
      id: container.id,
      error: messageOf(error),
    });
  }
}

/** The layers of an image that was removed under its containers stay until the last of those is gone. */
function hasImage(images: RemoveDeps["images"], id: string): boolean {
  try {
    images.resolve(id);
    return true;
  } catch (error) {
    if (isCategory(error, "not_found")) return false;
    return true;
  }
}
