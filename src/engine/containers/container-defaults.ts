/**
 * What the daemon's configuration says of containers that do not say it themselves. Some of it a container is given once, at
 * its creation; the rest counts at each start, as the daemon has it then, and no inspection shows it. Which is which: dockerd's.
 */
import type { CgroupDriver } from "../../linux/cgroup-place.ts";
import type { HostConfig, Ulimit } from "../../specs/engine/container.ts";

export interface ContainerDefaults {
  readonly ipcMode: "private" | "shareable";
  /** "" = as the cgroup version has it. */
  readonly cgroupnsMode: "" | "host" | "private";
  readonly shmSizeBytes: number;
  readonly ulimits: readonly Ulimit[];
  /** PID 1 is the engine's own init. */
  readonly init: boolean;
  readonly cgroupDriver: CgroupDriver;
  /** "" = the engine's own. */
  readonly cgroupParent: string;
  readonly noNewPrivileges: boolean;
  /** Of containers that are not privileged, as `--security-opt seccomp=` has it: "builtin", "unconfined" or a profile's text. */
  readonly seccomp: string;
}

export const NO_DEFAULTS: ContainerDefaults = {
  ipcMode: "private",
  cgroupnsMode: "",
  shmSizeBytes: 64 << 20,
  ulimits: [],
  init: false,
  cgroupDriver: "cgroupfs",
  cgroupParent: "",
  noNewPrivileges: false,
  seccomp: "builtin",
};

/** The part of a request that is kept with the container. */
export function atCreation(
  host: HostConfig,
  cgroupVersion: 1 | 2,
  defaults: ContainerDefaults,
): Pick<HostConfig, "IpcMode" | "CgroupnsMode" | "ShmSize"> {
  // Of version 1 a privileged container always has the host's.
  const hasOwnMode = cgroupVersion === 1 && host.Privileged;
  return {
    IpcMode: host.IpcMode || defaults.ipcMode,
    CgroupnsMode: host.CgroupnsMode || (hasOwnMode ? "" : defaults.cgroupnsMode),
    ShmSize: host.ShmSize || defaults.shmSizeBytes,
  };
}

/** What a start or an exec goes by. */
export function atStart(host: HostConfig, defaults: ContainerDefaults): HostConfig {
  const { ulimits, init, cgroupParent, noNewPrivileges, seccomp } = defaults;
  const named = new Set((host.Ulimits ?? []).map(({ Name }) => Name));
  const others = ulimits.filter(({ Name }) => !named.has(Name));
  // Ahead of the container's own, which count more.
  const security = [
    ...(noNewPrivileges ? ["no-new-privileges"] : []),
    ...(seccomp === "builtin" || host.Privileged ? [] : [`seccomp=${seccomp}`]),
  ];
  return {
    ...host,
    Init: host.Init ?? init,
    CgroupParent: host.CgroupParent || cgroupParent,
    ...(others.length === 0 ? {} : { Ulimits: [...(host.Ulimits ?? []), ...others] }),
    ...(security.length === 0 ? {} : { SecurityOpt: [...security, ...(host.SecurityOpt ?? [])] }),
  };
}
