/** `userns-remap`: whose ids the users of a container are, and what containers cannot share with the host then. Pure. */
import { fail } from "../../base/errors.ts";
import type { IdShift, RootfsMount, Snapshotter } from "../../core/snapshots/snapshotter.ts";
import { idMapText } from "../../linux/id-maps.ts";
import type { HostConfig } from "../../specs/engine/container.ts";
import type { IdMapping } from "../../specs/oci-runtime/spec.ts";

export interface IdMaps {
  readonly uidMappings: readonly IdMapping[];
  readonly gidMappings: readonly IdMapping[];
}

/** The daemon's `userns-remap`. */
export interface Remap extends IdMaps {
  /** "mapped": the kernel gives a container's mount of its layers other owners. "copied": copies of them have these owners. */
  readonly layers: "mapped" | "copied";
}

/** The host's ids of a container's root. */
export interface HostOwner {
  readonly uid: number;
  readonly gid: number;
}

/** With --userns=host, or without a remapping, a container has the host's users: undefined. */
export function idMapsOf<T extends IdMaps>(host: HostConfig, remap: T | undefined): T | undefined {
  return host.UsernsMode === "host" ? undefined : remap;
}

export function ownerOf(maps: IdMaps | undefined): HostOwner {
  return maps === undefined
    ? { uid: 0, gid: 0 }
    : { uid: rootIn(maps.uidMappings), gid: rootIn(maps.gidMappings) };
}

function rootIn(mappings: readonly IdMapping[]): number {
  const first = mappings.find(({ containerID }) => containerID === 0);
  if (first === undefined) throw fail("internal", "the id mapping has no root");
  return first.hostID;
}

/** What a user namespace has no right to. Docker's words and its order. Throws `invalid_argument`. */
export function checkUserNamespace(host: HostConfig, maps: IdMaps | undefined): void {
  if (maps === undefined) return;
  if (host.Privileged)
    throw fail(
      "invalid_argument",
      "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode",
    );
  if (host.NetworkMode === "host")
    throw fail(
      "invalid_argument",
      "cannot share the host's network namespace when user namespaces are enabled",
    );
  if (host.PidMode === "host")
    throw fail("invalid_argument", "cannot share the host PID namespace when user namespaces are enabled");
}

/** The owners that a container's files are to have on disk: undefined = the image's. */
export function shiftOf(remap: Remap | undefined): IdShift | undefined {
  if (remap?.layers !== "copied") return undefined;
  return { uid: idMapText(remap.uidMappings), gid: idMapText(remap.gidMappings) };
}

/** The same of images that it has mounted: what lies ready on the host is not mapped by the kernel. */
export function imageShiftOf(remap: IdMaps | undefined): IdShift | undefined {
  return remap && { uid: idMapText(remap.uidMappings), gid: idMapText(remap.gidMappings) };
}

/** How to mount what a container was created with. Throws `conflict` when it was created for other users. */
export function rootfsOf(
  snapshots: Pick<Snapshotter, "mount" | "keyOf">,
  id: string,
  remap: Remap | undefined,
): RootfsMount & { readonly idmapped: boolean } {
  const mount = snapshots.mount(id);
  const shift = shiftOf(remap);
  const wanted = shift === undefined ? undefined : snapshots.keyOf(shift);
  if (mount.shiftedBy !== wanted)
    throw fail(
      "conflict",
      `the files of container ${id} were made for the users of another userns-remap, and the kernel cannot map them`,
    );
  return { ...mount, idmapped: remap !== undefined && wanted === undefined };
}
