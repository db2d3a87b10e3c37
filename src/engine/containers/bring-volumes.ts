/**
 * The volumes of a container that is being created: those that it names are made if they are not there, it gets anonymous ones
 * of its own, and what its image has there is copied into them while they are empty.
 *
 * On crash: named volumes stay, as they do when the creation fails. Anonymous ones come with the container's row or not at all.
 */
import { fail, isCategory, messageOf } from "../../base/errors.ts";
import type { Scope } from "../../base/scope.ts";
import type { Snapshotter } from "../../core/snapshots/snapshotter.ts";
import type { StagedVolume, Volume, VolumeWish, Volumes } from "../../core/volumes/volumes.ts";
import { idMapText } from "../../linux/id-maps.ts";
import { announceVolume } from "../volumes/announce-volume.ts";
import type { EventSink } from "./announce.ts";
import type { Container } from "./container.ts";
import type { MountRequest, VolumeRequest } from "./mount-request.ts";
import type { IdMaps } from "./user-namespace.ts";

export interface BringVolumesDeps {
  readonly volumes: Volumes;
  readonly snapshots: Pick<Snapshotter, "view">;
  readonly events: EventSink;
}

export interface Brought {
  /** The container's mounts with the names that the volumes have. */
  readonly mounts: readonly MountRequest[];
  readonly staged: readonly StagedVolume[];
}

/** Everything that can be wrong about them is told before any is made. Throws `invalid_argument`. */
export function checkVolumes(volumes: Volumes, mounts: readonly MountRequest[]): void {
  for (const { mount } of mounts)
    if (mount.kind === "volume") notAMissingImage(() => volumes.check(wishOf(mount)));
}

/** What is made is undone by `scope`, except named volumes. The container's layers are there and held. */
export async function bringVolumes(
  deps: BringVolumesDeps,
  container: Container,
  { scope, idMaps }: { readonly scope: Scope; readonly idMaps: IdMaps | undefined },
): Promise<Brought> {
  const mounts: MountRequest[] = [];
  const staged: StagedVolume[] = [];
  for (const request of container.mounts) {
    const { mount } = request;
    if (mount.kind !== "volume") {
      mounts.push(request);
      continue;
    }
    const source = sourceOf(deps, container, mount, idMaps);
    if (mount.name === "") {
      const volume = await stage(deps, mount, source, scope);
      staged.push(volume);
      mounts.push(named(request, mount, volume.volume));
    } else {
      const { volume, isNew } = await deps.volumes.create(wishOf(mount));
      if (isNew) announceVolume(deps.events, volume, "create");
      await deps.volumes.acquire(mount.name, container.id);
      scope.defer("release a volume", () => deps.volumes.release(mount.name, container.id));
      if (source !== undefined) await deps.volumes.fill(mount.name, container.id, source);
      mounts.push(named(request, mount, volume));
    }
  }
  return { mounts, staged };
}

async function stage(
  deps: BringVolumesDeps,
  mount: VolumeRequest,
  source: ReturnType<typeof sourceOf>,
  scope: Scope,
): Promise<StagedVolume> {
  const staged = await deps.volumes.stage(wishOf(mount));
  scope.defer("delete a volume", () => staged.discard());
  const filled = source === undefined ? undefined : await staged.fill(source);
  if (filled?.found === "other")
    throw fail(
      "invalid_argument",
      `cannot mount volume over existing file, file exists ${mount.destination}`,
    );
  return staged;
}

function wishOf({ name, driver, labels, options }: VolumeRequest): VolumeWish {
  return { name, driver, labels, options };
}

function sourceOf(
  deps: BringVolumesDeps,
  { record }: Container,
  { noCopy, subpath, destination }: VolumeRequest,
  idMaps: IdMaps | undefined,
) {
  if (noCopy || subpath !== "") return undefined;
  return {
    image: deps.snapshots.view(record.layer),
    path: destination,
    ids: idMaps && { uid: idMapText(idMaps.uidMappings), gid: idMapText(idMaps.gidMappings) },
  };
}

function named({ point }: MountRequest, mount: VolumeRequest, volume: Volume): MountRequest {
  const { name, driver, mountpoint } = volume;
  return {
    point: point && { ...point, Name: name, Driver: driver, Source: mountpoint },
    mount: { ...mount, name },
  };
}

/** Clients take what is not found for the image. */
function notAMissingImage(check: () => void): void {
  try {
    check();
  } catch (error) {
    if (isCategory(error, "not_found")) throw fail("invalid_argument", messageOf(error), error);
    throw error;
  }
}
