/** Host facts for tests of pure decisions. */
import type { HostFacts } from "../host-facts.ts";

const V1_CONTROLLERS = ["cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids"];

export const FACTS_V1: HostFacts = {
  cgroup: {
    version: 1,
    controllers: new Map(
      V1_CONTROLLERS.map((name) => [name, { mountPoint: `/sys/fs/cgroup/${name}`, own: "/" }]),
    ),
  },
  cpuCount: 2,
  memoryBytes: 8 * 2 ** 30,
  kernelRelease: "6.12.0",
  lastCapability: 40,
  capabilities: (1n << 41n) - 1n,
  architecture: "x86_64",
  seccomp: true,
  apparmor: false,
  selinux: false,
  thermalThrottlePaths: [],
};

/** cpu and cpuacct mounted together, as systemd does. */
export const FACTS_V1_TOGETHER: HostFacts = {
  ...FACTS_V1,
  cgroup: {
    version: 1,
    controllers: new Map([
      ["cpu", { mountPoint: "/sys/fs/cgroup/cpu,cpuacct", own: "/" }],
      ["cpuacct", { mountPoint: "/sys/fs/cgroup/cpu,cpuacct", own: "/" }],
      ["memory", { mountPoint: "/sys/fs/cgroup/memory", own: "/" }],
      ["devices", { mountPoint: "/sys/fs/cgroup/devices", own: "/" }],
    ]),
  },
};

export const FACTS_V2: HostFacts = {
  ...FACTS_V1,
  cgroup: {
    version: 2,
    mountPoint: "/sys/fs/cgroup",
    own: "/system.slice/gantry.service",
    controllers: new Set(["cpu", "cpuset", "io", "memory", "pids"]),
  },
};
