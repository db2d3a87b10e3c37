/** `userns-remap`: whose ids the users of a container are, and what containers cannot share with the host then. Pure. */
import { fail } from "../../base/errors.ts";
import type { HostConfig } from "../../specs/engine/container.ts";
import type { IdMapping } from "../../specs/oci-runtime/spec.ts";

export interface IdMaps {
  readonly uidMappings: readonly IdMapping[];
  readonly gidMappings: readonly IdMapping[];
}

/** The host's ids of a container's root. */
export interface HostOwner {
  readonly uid: number;
  readonly gid: number;
}

/** With --userns=host, or without a remapping, a container has the host's users: undefined. */
export function idMapsOf(host: HostConfig, remap: IdMaps | undefined): IdMaps | undefined {
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
