/** The volumes of a container that exists: had while it runs, and gone with it when they are its own. */
import { isCategory, messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Durability, VolumeUser, Volumes } from "../../core/volumes/volumes.ts";
import type { HostPaths } from "../../linux/host-paths.ts";
import { announceVolume } from "../volumes/announce-volume.ts";
import type { EventSink } from "./announce.ts";
import type { Container } from "./container.ts";
import type { VolumeRequest } from "./mount-request.ts";
import { type MountSources, resolveMounts } from "./resolve-mounts.ts";
import type { ResolvedMount } from "./spec-input.ts";

export interface ContainerVolumesDeps {
  readonly volumes: Pick<Volumes, "acquire" | "release" | "find" | "remove">;
  readonly events: EventSink;
  readonly log: Logger;
}

export interface EnterVolumesDeps extends ContainerVolumesDeps {
  readonly hostPaths: HostPaths;
}

/** Every one once, however often it is mounted. */
function volumesOf({ mounts }: Container): readonly VolumeRequest[] {
  const byName = new Map<string, VolumeRequest>();
  for (const { mount } of mounts) if (mount.kind === "volume") byName.set(mount.name, mount);
  return [...byName.values()];
}

export function volumeUser(container: Container): VolumeUser {
  return {
    id: container.id,
    isRunning: container.task !== undefined,
    volumes: volumesOf(container).map(({ name }) => name),
  };
}

/** Makes the mounts ready for a start; whatever becomes of it, `leaveVolumes` follows. `show`: see `MountSources`. */
export async function enterVolumes(
  { volumes, events, hostPaths }: EnterVolumesDeps,
  container: Container,
  show: MountSources["show"],
): Promise<readonly ResolvedMount[]> {
  if (container.mounts.length === 0) return [];
  const acquire = (name: string): Promise<string> => volumes.acquire(name, container.id);
  const mounts = await resolveMounts(hostPaths, container.mounts, { acquire, show });
  for (const { name, destination, readOnly } of volumesOf(container))
    announceVolume(events, volumes.find(name), "mount", {
      container: container.id,
      destination,
      propagation: "",
      "read/write": String(!readOnly),
    });
  return mounts;
}

/** Its process has ended, or did not come to life. Never rejects. */
export async function leaveVolumes(deps: ContainerVolumesDeps, container: Container): Promise<void> {
  for (const { name } of volumesOf(container)) {
    try {
      await deps.volumes.release(name, container.id);
      announceVolume(deps.events, deps.volumes.find(name), "unmount", { container: container.id });
    } catch (error) {
      deps.log.warn("cannot let go of a volume", { id: container.id, name, error: messageOf(error) });
    }
  }
}

/** Those that came with it, unless others have them, too. Never rejects: what is left is nobody's, and prune takes it. */
export async function removeOwnVolumes(
  deps: ContainerVolumesDeps,
  container: Container,
  durability: Durability,
): Promise<void> {
  for (const { name, isAnonymous } of volumesOf(container)) {
    if (!isAnonymous) continue;
    try {
      const volume = deps.volumes.find(name);
      await deps.volumes.remove(name, { except: container.id, durability });
      announceVolume(deps.events, volume, "destroy");
    } catch (error) {
      if (isCategory(error, "conflict") || isCategory(error, "not_found")) continue;
      deps.log.error("cannot remove a container's volume", {
        id: container.id,
        name,
        error: messageOf(error),
      });
    }
  }
}
