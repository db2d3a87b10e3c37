/** The host's side of a container's mounts: looked at when it is created, and made ready when it starts. */
import { errnoOf, fail, isCategory, messageOf } from "../../base/errors.ts";
import type { HostPaths } from "../../linux/host-paths.ts";
import type { ImageRequest, MountRequest, VolumeRequest } from "./mount-request.ts";
import type { ResolvedBind, ResolvedMount } from "./spec-input.ts";

/** Checks `--mount` sources at create, as Docker does. Throws `invalid_argument` for one that is missing. */
export async function checkBindSources(paths: HostPaths, requests: readonly MountRequest[]): Promise<void> {
  for (const { mount } of requests)
    if (mount.kind === "bind" && !mount.createSource) await lookAt(paths, mount.source, false);
}

async function lookAt(
  paths: HostPaths,
  source: string,
  makes: boolean,
): Promise<{ readonly isDirectory: boolean }> {
  try {
    return await paths.look(source, makes);
  } catch (cause) {
    if (isCategory(cause, "unavailable")) throw cause;
    if (isMkdir(cause))
      throw fail(
        "internal",
        `error while creating mount source path '${source}': ${messageOf(cause)}`,
        cause,
      );
    if (errnoOf(cause) === "ENOENT")
      throw fail(
        "invalid_argument",
        `invalid mount config for type "bind": bind source path does not exist: ${source}`,
        cause,
      );
    throw fail("internal", `cannot look at bind source "${source}": ${messageOf(cause)}`, cause);
  }
}

function isMkdir(error: unknown): boolean {
  return error instanceof Error && "syscall" in error && error.syscall === "mkdir";
}

export interface MountSources {
  /** The directory of a volume. */
  readonly acquire: (volume: string) => Promise<string>;
  /** The directory where an image's tree is. */
  readonly show: (image: ImageRequest) => Promise<string>;
}

/** Looks at the host paths, makes missing sources of `-v`. Parents come before what is mounted inside them. */
export async function resolveMounts(
  paths: HostPaths,
  requests: readonly MountRequest[],
  { acquire, show }: MountSources,
): Promise<readonly ResolvedMount[]> {
  const resolved: ResolvedMount[] = [];
  for (const { mount } of requests) {
    if (mount.kind === "tmpfs") {
      resolved.push(mount);
      continue;
    }
    if (mount.kind === "volume") {
      resolved.push(volumeMount(mount, await acquire(mount.name)));
      continue;
    }
    if (mount.kind === "image") {
      resolved.push({ ...volumeMount({ ...mount, readOnly: true }, await show(mount)), runsPrograms: true });
      continue;
    }
    const { createSource, ...bind } = mount;
    const { isDirectory } = await lookAt(paths, mount.source, createSource);
    resolved.push({ ...bind, isDirectory });
  }
  return resolved.sort((a, b) => depthOf(a.destination) - depthOf(b.destination));
}

function volumeMount(
  { destination, readOnly, subpath }: Pick<VolumeRequest, "destination" | "readOnly" | "subpath">,
  source: string,
): ResolvedBind {
  return {
    kind: "bind",
    source,
    destination,
    readOnly,
    recursiveReadOnly: readOnly,
    recursive: true,
    propagation: "rprivate",
    isDirectory: true,
    ...(subpath === "" ? {} : { beneath: subpath }),
  };
}

function depthOf(path: string): number {
  return path.split("/").length;
}
