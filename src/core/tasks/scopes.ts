/**
 * Tasks whose cgroup is a scope of systemd's (docs/decisions/0006-systemd-cgroups.md, 0016-cgroup-driver.md). The notation of
 * `linux.cgroupsPath` says who makes a cgroup: nothing else is remembered, and a task of an earlier daemon stays what it is.
 */
import { readyCgroupParents } from "../../linux/cgroup-parents.ts";
import { type CgroupPlace, cgroupPlace, driverOf } from "../../linux/cgroup-place.ts";
import type { HostFacts } from "../../linux/host-facts.ts";
import { defaultManager } from "../../linux/systemd-manager.ts";
import { startScope, stopScope, updateScope } from "../../linux/systemd-scope.ts";
import type { LinuxResources } from "../../specs/oci-runtime/resources.ts";
import type { Spec } from "../../specs/oci-runtime/spec.ts";

export function placeOf(spec: Spec, id: string): CgroupPlace {
  const path = spec.linux?.cgroupsPath;
  return cgroupPlace(path, id, driverOf(path));
}

/** The same with the path that a unit stands for: plans know no drivers. */
export function withCgroupPath(spec: Spec, id: string): Spec {
  return { ...spec, linux: { ...spec.linux, cgroupsPath: placeOf(spec, id).path } };
}

export interface Scopes {
  /** With `pid` in it, which has to stay until the container's first process is there. Throws as `startScope`. */
  start(id: string, spec: Spec, pid: number): Promise<void>;
  /** Throws as `updateScope`. */
  update(unit: string, dirs: readonly string[], resources: LinuxResources): Promise<void>;
  /** To be called when its processes are gone: systemd would give them time. Missing is fine. */
  stop(unit: string): Promise<void>;
}

/** Each throws `unavailable` when systemd does not answer. */
export function systemdScopes({ cgroup }: Pick<HostFacts, "cgroup">): Scopes {
  return {
    start: async (id, spec, pid) => {
      const { path, scope } = placeOf(spec, id);
      if (scope === undefined) return;
      await startScope(defaultManager(0), scope.unit, {
        id,
        slice: scope.slice,
        pids: [pid],
        cgroupVersion: cgroup.version,
        resources: spec.linux?.resources ?? {},
      });
      // systemd has made the slices; controllers that it does not know are not passed down yet.
      readyCgroupParents(cgroup, path);
    },
    update: (unit, dirs, resources) => updateScope(defaultManager(0), unit, dirs, resources),
    stop: (unit) => stopScope(defaultManager(0), unit),
  };
}
