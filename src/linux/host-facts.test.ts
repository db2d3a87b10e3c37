import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { findCgroupMounts, findCgroups, findOwnMemberFiles, findResctrl } from "./cgroup-facts.ts";
import { readHostFacts } from "./host-facts.ts";

const HYBRID_MOUNTS = `
22 1 0:21 / / rw - ext4 /dev/vda rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:5 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
42 31 0:32 / /mnt/with\\040space rw - cgroup cgroup rw,memory
`;
const HYBRID_OWN = `
9:name=systemd:/init.scope
4:memory:/a:b/c
2:cpu,cpuacct:/
0::/init.scope
`;

describe("findCgroups()", () => {
  const never = (): string => {
    throw new Error("must not be read");
  };

  test("takes a hybrid host for v1 and leaves named hierarchies out", () => {
    const facts = findCgroups(HYBRID_MOUNTS, HYBRID_OWN, never);
    expect(facts).toEqual({
      version: 1,
      controllers: new Map([
        ["cpu", { mountPoint: "/sys/fs/cgroup/cpu,cpuacct", own: "/" }],
        ["cpuacct", { mountPoint: "/sys/fs/cgroup/cpu,cpuacct", own: "/" }],
        ["memory", { mountPoint: "/sys/fs/cgroup/memory", own: "/a:b/c" }],
      ]),
    });
  });

  test("is v2 when /sys/fs/cgroup is", () => {
    const mounts = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
    expect(findCgroups(mounts, "0::/system.slice/x.service\n", () => "cpu io memory pids\n")).toEqual({
      version: 2,
      mountPoint: "/sys/fs/cgroup",
      own: "/system.slice/x.service",
      controllers: new Set(["cpu", "io", "memory", "pids"]),
    });
  });

  test("says so when there are none", () => {
    expect(() => findCgroups("22 1 0:21 / / rw - ext4 /dev/vda rw\n", "0::/\n", never)).toThrow(
      "no control groups",
    );
  });
});

test("findCgroupMounts() names every hierarchy once, those without controllers, too", () => {
  expect(findCgroupMounts(HYBRID_MOUNTS)).toEqual([
    "/sys/fs/cgroup/cpu,cpuacct",
    "/sys/fs/cgroup/memory",
    "/sys/fs/cgroup/systemd",
    "/sys/fs/cgroup/unified",
    "/mnt/with space",
  ]);
});

describe("findOwnMemberFiles()", () => {
  test("has one for each hierarchy that is mounted, named and unified ones, too", () => {
    const mounts = [
      "33 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct",
      "34 25 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd",
      "35 25 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
    ].join("\n");
    const own = "4:cpuacct,cpu:/a\n3:memory:/b\n1:name=systemd:/c d\n0::/\n";
    expect(findOwnMemberFiles(mounts, own)).toEqual([
      "/sys/fs/cgroup/cpu,cpuacct/a/cgroup.procs",
      "/sys/fs/cgroup/systemd/c d/cgroup.procs",
      "/sys/fs/cgroup/unified/cgroup.procs",
    ]);
    expect(() => findOwnMemberFiles(mounts, "0::/../x\n")).toThrow("cannot be seen");
  });
});

test("findResctrl() finds its mount, wherever that is", () => {
  expect(findResctrl(HYBRID_MOUNTS)).toBeUndefined();
  expect(findResctrl(`${HYBRID_MOUNTS}99 1 0:50 / /sys/fs/resctrl rw - resctrl resctrl rw\n`)).toBe(
    "/sys/fs/resctrl",
  );
});

describe("readHostFacts()", () => {
  const root = mkdtempSync(join(tmpdir(), "gantry-facts-"));
  afterAll(() => rmSync(root, { recursive: true }));
  const file = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const STATUS = "Name:\tx\nCapPrm:\t000001fffeffffff\nCapBnd:\t00000000a80425fb\nSeccomp:\t0\n";
  file("/proc/self/mountinfo", HYBRID_MOUNTS);
  file("/proc/self/cgroup", HYBRID_OWN);
  file("/proc/self/status", STATUS);
  file("/proc/sys/kernel/cap_last_cap", "40\n");

  test("reads a bare host", () => {
    const facts = readHostFacts(root);
    expect(facts).toMatchObject({
      lastCapability: 40,
      capabilities: 0xa80425fbn,
      seccomp: false,
      apparmor: false,
      selinux: false,
      thermalThrottlePaths: [],
    });
    expect(facts.cgroup.version).toBe(1);
  });

  test("finds security modules and what is to be masked", () => {
    file("/proc/sys/kernel/seccomp/actions_avail", "kill_process\n");
    file("/sys/module/apparmor/parameters/enabled", "Y\n");
    file("/sys/fs/selinux/enforce", "1");
    file("/sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count", "0\n");
    file("/sys/devices/system/cpu/cpufreq/thermal_throttle/x", "0\n");
    expect(readHostFacts(root)).toMatchObject({
      seccomp: true,
      apparmor: true,
      selinux: true,
      thermalThrottlePaths: ["/sys/devices/system/cpu/cpu1/thermal_throttle"],
    });
  });

  test("stops reading a file without an end", () => {
    file("/proc/self/cgroup", "x".repeat((1 << 20) + 1));
    expect(() => readHostFacts(root)).toThrow("more than 1048576 bytes");
    file("/proc/self/cgroup", HYBRID_OWN);
  });

  test("refuses nonsense from the kernel", () => {
    file("/proc/sys/kernel/cap_last_cap", "many\n");
    expect(() => readHostFacts(root)).toThrow("cap_last_cap");
  });
});
