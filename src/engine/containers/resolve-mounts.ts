/** The host's side of a container's mounts: looked at when it is created, and made ready when it starts. */
import { mkdir, stat } from "node:fs/promises";
import { errnoOf, fail, messageOf } from "../../base/errors.ts";
import type { MountRequest, VolumeRequest } from "./mount-request.ts";
import type { ResolvedMount } from "./spec-input.ts";

/** Checks `--mount` sources at create, as Docker does. Throws `invalid_argument` for one that is missing. */
export async function checkBindSources(requests: readonly MountRequest[]): Promise<void> {
  for (const { mount } of requests) {
    if (mount.kind !== "bind" || mount.createSource) continue;
    await statSource(mount.source);
  }
}

async function statSource(path: string): Promise<{ readonly isDirectory: boolean }> {
  try {
    return { isDirectory: (await stat(path)).isDirectory() };
  } catch (cause) {
    if (errnoOf(cause) === "ENOENT")
      throw fail(
        "invalid_argument",
        `invalid mount config for type "bind": bind source path does not exist: ${path}`,
        cause,
      );
    throw fail("internal", `cannot look at bind source "${path}": ${messageOf(cause)}`, cause);
  }
}

/**
 * Looks at the host paths, makes missing sources of `-v`; `acquire` gives the directory of a volume. Parents come before what is
 * mounted inside them.
 */
export async function resolveMounts(
  requests: readonly MountRequest[],
  acquire: (volume: string) => Promise<string>,
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
    const { createSource, ...bind } = mount;
    if (createSource) await makeSource(mount.source);
    resolved.push({ ...bind, isDirectory: (await statSource(mount.source)).isDirectory });
  }
  return resolved.sort((a, b) => depthOf(a.destination) - depthOf(b.destination));
}

function volumeMount({ destination, readOnly, subpath }: VolumeRequest, source: string): ResolvedMount {
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

async function makeSource(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o755 });
  } catch (cause) {
    if (errnoOf(cause) === "EEXIST") return;
    throw fail("internal", `error while creating mount source path '${path}': ${messageOf(cause)}`, cause);
  }
}

function depthOf(path: string): number {
  return path.split("/").length;
}
