import { describe, expect, test } from "bun:test";
import type { LinuxResources } from "../specs/oci-runtime/resources.ts";
import { cgroupSettings } from "./cgroup-settings.ts";
import { cpuWeight } from "./cgroup-settings-v2.ts";

const lines = (version: 1 | 2, resources: LinuxResources): string[] =>
  cgroupSettings(version, resources).map(
    ({ file, value, mayMiss }) => `${file}=${value}${mayMiss ? " ?" : ""}`,
  );

const throttle = (rate: bigint): { major: number; minor: number; rate: bigint }[] => [
  { major: 8, minor: 16, rate },
];
const BLOCK: NonNullable<LinuxResources["blockIO"]> = {
  weight: 500,
  throttleReadBpsDevice: throttle(1n),
  throttleWriteBpsDevice: throttle(2n),
  throttleReadIOPSDevice: throttle(3n),
  throttleWriteIOPSDevice: throttle((1n << 64n) - 1n),
};

describe("cgroupSettings() for v1", () => {
  test("sets the memory limit before the one of memory plus swap", () => {
    const memory = { limit: 100n, swap: 200n, reservation: 50n, swappiness: 0, disableOOMKiller: true };
    expect(lines(1, { memory })).toEqual([
      "memory.limit_in_bytes=100",
      "memory.memsw.limit_in_bytes=200 ?",
      "memory.soft_limit_in_bytes=50",
      "memory.swappiness=0",
      "memory.oom_control=1",
    ]);
  });

  test("takes away both limits together", () => {
    expect(lines(1, { memory: { limit: -1n } })).toEqual([
      "memory.limit_in_bytes=-1",
      "memory.memsw.limit_in_bytes=-1 ?",
    ]);
  });

  test("sets a period before its quota", () => {
    const cpu = { shares: 512, quota: 20000n, period: 50000, cpus: "0-1", mems: "0" };
    expect(lines(1, { cpu })).toEqual([
      "cpu.shares=512",
      "cpu.cfs_period_us=50000",
      "cpu.cfs_quota_us=20000",
      "cpuset.cpus=0-1",
      "cpuset.mems=0",
    ]);
  });

  test("writes I/O limits one device a time", () => {
    expect(lines(1, { blockIO: BLOCK })).toEqual([
      "blkio.bfq.weight=500 ?",
      "blkio.weight=500 ?",
      "blkio.throttle.read_bps_device=8:16 1",
      "blkio.throttle.write_bps_device=8:16 2",
      "blkio.throttle.read_iops_device=8:16 3",
      "blkio.throttle.write_iops_device=8:16 18446744073709551615",
    ]);
  });

  test("refuses unified settings", () => {
    expect(() => lines(1, { unified: { "memory.high": "1" } })).toThrow("need cgroup v2");
  });
});

describe("cgroupSettings() for v2", () => {
  test.each<[string, NonNullable<LinuxResources["memory"]>, string[]]>([
    [
      "three times the memory",
      { limit: 100n, swap: 300n, reservation: 50n },
      ["memory.swap.max=200 ?", "memory.max=100", "memory.low=50"],
    ],
    ["no swap", { limit: 100n, swap: 100n }, ["memory.swap.max=0 ?", "memory.max=100"]],
    ["unlimited swap", { limit: 100n, swap: -1n }, ["memory.swap.max=max ?", "memory.max=100"]],
    ["memory alone", { limit: 100n }, ["memory.max=100"]],
    ["no limits", { limit: -1n }, ["memory.swap.max=max ?", "memory.max=max"]],
    ["what v2 does not have", { swappiness: 5, disableOOMKiller: true }, []],
  ])("limits swap alone: %s", (_, memory, expected) => {
    expect(lines(2, { memory })).toEqual(expected);
  });

  test("refuses limits that contradict each other", () => {
    expect(() => lines(2, { memory: { swap: 100n } })).toThrow("without a memory limit");
    expect(() => lines(2, { memory: { limit: 100n, swap: 50n } })).toThrow("must not be below");
    expect(() => lines(2, { cpu: { realtimeRuntime: 5n } })).toThrow("need cgroup v1");
  });

  test.each<[string, NonNullable<LinuxResources["cpu"]>, string[]]>([
    ["both", { shares: 1024, quota: 150000n, period: 100000 }, ["cpu.weight=100", "cpu.max=150000 100000"]],
    ["a quota", { quota: 20000n }, ["cpu.max=20000 100000"]],
    ["a period", { period: 50000 }, ["cpu.max=max 50000"]],
    ["no quota", { quota: -1n }, ["cpu.max=max 100000"]],
  ])("writes quota and period together: %s", (_, cpu, expected) => {
    expect(lines(2, { cpu })).toEqual(expected);
  });

  test("writes I/O limits by key", () => {
    expect(lines(2, { blockIO: BLOCK })).toEqual([
      "io.bfq.weight=500 ?",
      "io.weight=4950 ?",
      "io.max=8:16 rbps=1",
      "io.max=8:16 wbps=2",
      "io.max=8:16 riops=3",
      "io.max=8:16 wiops=18446744073709551615",
    ]);
  });

  test("writes unified settings as they are, but only a controller's", () => {
    expect(lines(2, { unified: { "memory.high": "5", "hugetlb.2MB.max": "0" } })).toEqual([
      "memory.high=5",
      "hugetlb.2MB.max=0",
    ]);
    for (const name of ["../x.y", "cgroup.procs", "memory", "a/b.c"])
      expect(() => lines(2, { unified: { [name]: "1" } })).toThrow("not the name");
  });
});

test.each([1, 2] as const)(
  "cgroupSettings() limits processes, or says that they are not, in v%i",
  (version) => {
    expect(lines(version, { pids: { limit: 50n } })).toEqual(["pids.max=50"]);
    expect(lines(version, { pids: { limit: -1n } })).toEqual(["pids.max=max"]);
    expect(lines(version, { pids: { limit: 0n } })).toEqual([]);
    expect(lines(version, {})).toEqual([]);
  },
);

test("cpuWeight() maps both ends and the middle, and rises all the way", () => {
  expect([2, 1024, 262144].map(cpuWeight)).toEqual([1, 100, 10000]);
  expect([0, 1, 300000].map(cpuWeight)).toEqual([1, 1, 10000]);
  let before = 0;
  for (let shares = 2; shares <= 262144; shares *= 2) {
    expect(cpuWeight(shares)).toBeGreaterThan(before);
    before = cpuWeight(shares);
  }
});

const device = { major: 8, minor: 0 };

/** [what, version, resources, lines] */
test.each<[string, 1 | 2, LinuxResources, string[]]>([
  ["memory as usual", 1, { memory: { limit: 5n } }, ["memory.limit_in_bytes=5"]],
  ["no memory limit", 1, { memory: { limit: 0n, swap: 0n, reservation: 0n } }, []],
  ["the sum alone", 1, { memory: { swap: 5n } }, ["memory.memsw.limit_in_bytes=5 ?"]],
  [
    "a free sum",
    1,
    { memory: { limit: 5n, swap: -1n } },
    ["memory.limit_in_bytes=5", "memory.memsw.limit_in_bytes=-1 ?"],
  ],
  ["a soft limit", 1, { memory: { reservation: -1n } }, ["memory.soft_limit_in_bytes=-1"]],
  ["much swappiness", 1, { memory: { swappiness: 100 } }, ["memory.swappiness=100"]],
  ["the OOM killer on", 1, { memory: { disableOOMKiller: false } }, []],
  ["what kernels no longer have", 1, { memory: { kernel: 5n, kernelTCP: 6n, useHierarchy: true } }, []],
  ["a check of nothing", 1, { memory: { checkBeforeUpdate: true } }, []],
  ["memory as usual", 2, { memory: { limit: 5n } }, ["memory.max=5"]],
  ["a free reservation", 2, { memory: { reservation: -1n } }, ["memory.low=max"]],
  [
    "unlimited memory, limited swap",
    2,
    { memory: { limit: -1n, swap: 7n } },
    ["memory.swap.max=7 ?", "memory.max=max"],
  ],
  ["free swap alone", 2, { memory: { swap: -1n } }, ["memory.swap.max=max ?"]],
  ["what kernels no longer have", 2, { memory: { kernel: 5n, kernelTCP: 6n, useHierarchy: false } }, []],
  ["a check where nothing is used", 2, { memory: { limit: 5n, checkBeforeUpdate: true } }, ["memory.max=5"]],
  ["the least shares", 1, { cpu: { shares: 2 } }, ["cpu.shares=2"]],
  ["the most shares", 1, { cpu: { shares: 262144 } }, ["cpu.shares=262144"]],
  ["a quota", 1, { cpu: { quota: 1000n } }, ["cpu.cfs_quota_us=1000"]],
  ["no quota", 1, { cpu: { quota: -1n } }, ["cpu.cfs_quota_us=-1"]],
  ["a period", 1, { cpu: { period: 1000 } }, ["cpu.cfs_period_us=1000"]],
  ["a burst", 1, { cpu: { quota: 1000n, burst: 500 } }, ["cpu.cfs_burst_us=500", "cpu.cfs_quota_us=1000"]],
  ["no burst", 1, { cpu: { burst: 0 } }, ["cpu.cfs_burst_us=0 ?"]],
  ["a burst of nothing", 1, { cpu: { burst: 700 } }, ["cpu.cfs_burst_us=700"]],
  [
    "realtime",
    1,
    { cpu: { realtimePeriod: 1000000, realtimeRuntime: 950000n } },
    ["cpu.rt_period_us=1000000", "cpu.rt_runtime_us=950000"],
  ],
  ["a realtime runtime", 1, { cpu: { realtimeRuntime: 950000n } }, ["cpu.rt_runtime_us=950000"]],
  ["idle", 1, { cpu: { idle: 1 } }, ["cpu.idle=1"]],
  ["idle with shares", 1, { cpu: { idle: 1, shares: 512 } }, ["cpu.idle=1"]],
  ["not idle", 1, { cpu: { idle: 0, shares: 512 } }, ["cpu.idle=0 ?", "cpu.shares=512"]],
  ["CPUs", 1, { cpu: { cpus: "0-3,7" } }, ["cpuset.cpus=0-3,7"]],
  ["memory nodes", 1, { cpu: { mems: "0" } }, ["cpuset.mems=0"]],
  ["the least shares", 2, { cpu: { shares: 2 } }, ["cpu.weight=1"]],
  ["the usual shares", 2, { cpu: { shares: 1024 } }, ["cpu.weight=100"]],
  ["too many shares", 2, { cpu: { shares: 300000 } }, ["cpu.weight=10000"]],
  [
    "a burst",
    2,
    { cpu: { quota: 1000n, period: 5000, burst: 500 } },
    ["cpu.max.burst=500", "cpu.max=1000 5000"],
  ],
  ["no burst", 2, { cpu: { burst: 0 } }, ["cpu.max.burst=0 ?"]],
  ["idle", 2, { cpu: { idle: 1 } }, ["cpu.idle=1"]],
  ["not idle", 2, { cpu: { idle: 0 } }, ["cpu.idle=0 ?"]],
  [
    "CPUs of steps",
    2,
    { cpu: { cpus: "0-10:2/4", mems: "0-1" } },
    ["cpuset.cpus=0-10:2/4", "cpuset.mems=0-1"],
  ],
  ["a weight", 1, { blockIO: { weight: 10 } }, ["blkio.bfq.weight=10 ?", "blkio.weight=10 ?"]],
  ["a leaf's weight", 1, { blockIO: { leafWeight: 10 } }, ["blkio.leaf_weight=10"]],
  [
    "a device's weight",
    1,
    { blockIO: { weightDevice: [{ ...device, weight: 300 }] } },
    ["blkio.bfq.weight_device=8:0 300 ?", "blkio.weight_device=8:0 300 ?"],
  ],
  [
    "a device's leaf weight",
    1,
    { blockIO: { weightDevice: [{ ...device, leafWeight: 300 }] } },
    ["blkio.leaf_weight_device=8:0 300"],
  ],
  [
    "a throttle taken away",
    1,
    { blockIO: { throttleReadBpsDevice: [{ ...device, rate: 0n }] } },
    ["blkio.throttle.read_bps_device=8:0 0"],
  ],
  [
    "two devices",
    1,
    {
      blockIO: {
        throttleWriteIOPSDevice: [
          { ...device, rate: 1n },
          { major: 9, minor: 1, rate: 2n },
        ],
      },
    },
    ["blkio.throttle.write_iops_device=8:0 1", "blkio.throttle.write_iops_device=9:1 2"],
  ],
  ["the least weight", 2, { blockIO: { weight: 10 } }, ["io.bfq.weight=10 ?", "io.weight=1 ?"]],
  ["the greatest weight", 2, { blockIO: { weight: 1000 } }, ["io.bfq.weight=1000 ?", "io.weight=10000 ?"]],
  [
    "a device's weight",
    2,
    { blockIO: { weightDevice: [{ ...device, weight: 1000 }] } },
    ["io.bfq.weight=8:0 1000 ?", "io.weight=8:0 10000 ?"],
  ],
  [
    "a throttle taken away",
    2,
    { blockIO: { throttleWriteBpsDevice: [{ ...device, rate: 0n }] } },
    ["io.max=8:0 wbps=max"],
  ],
  [
    "huge pages",
    1,
    { hugepageLimits: [{ pageSize: "2MB", limit: 0n }] },
    ["hugetlb.2MB.limit_in_bytes=0", "hugetlb.2MB.rsvd.limit_in_bytes=0 ?"],
  ],
  [
    "huge pages",
    2,
    { hugepageLimits: [{ pageSize: "1GB", limit: 1n << 63n }] },
    ["hugetlb.1GB.max=9223372036854775808", "hugetlb.1GB.rsvd.max=9223372036854775808 ?"],
  ],
  ["a network class", 1, { network: { classID: 0xffffffff } }, ["net_cls.classid=4294967295"]],
  [
    "network priorities",
    1,
    { network: { priorities: [{ name: "eth0", priority: 0 }] } },
    ["net_prio.ifpriomap=eth0 0"],
  ],
  ["an empty network", 2, { network: { classID: 0, priorities: [] } }, []],
  ["RDMA handles", 1, { rdma: { mlx5_1: { hcaHandles: 3 } } }, ["rdma.max=mlx5_1 hca_handle=3"]],
  ["RDMA objects", 2, { rdma: { mlx5_1: { hcaObjects: 0 } } }, ["rdma.max=mlx5_1 hca_object=0"]],
  [
    "RDMA both",
    2,
    { rdma: { a: { hcaHandles: 1, hcaObjects: 2 } } },
    ["rdma.max=a hca_handle=1 hca_object=2"],
  ],
  [
    "many lines",
    2,
    { unified: { "io.max": "8:0 rbps=1\n8:16 rbps=2\n" } },
    ["io.max=8:0 rbps=1", "io.max=8:16 rbps=2"],
  ],
  ["an unknown file", 2, { unified: { "misc.max": "res_a 3" } }, ["misc.max=res_a 3"]],
  ["the core's limits", 2, { unified: { "cgroup.max.depth": "3" } }, ["cgroup.max.depth=3"]],
  ["unified last", 2, { unified: { "pids.max": "9" }, pids: { limit: 5n } }, ["pids.max=5", "pids.max=9"]],
  ["devices, which are not its matter", 2, { devices: [{ allow: false }] }, []],
])("cgroupSettings() writes %s in v%i", (_, version, resources, expected) => {
  expect(lines(version, resources)).toEqual(expected);
});

test.each<[string, 1 | 2, LinuxResources, string]>([
  ["a sum below the memory", 1, { memory: { limit: 5n, swap: 4n } }, "must not be below the memory limit"],
  [
    "a sum below unlimited memory",
    1,
    { memory: { limit: -1n, swap: 4n } },
    "must not be below the memory limit",
  ],
  ["one share", 1, { cpu: { shares: 1 } }, "the minimum allowed cpu-shares is 2"],
  ["too many shares", 1, { cpu: { shares: 262145 } }, "the maximum allowed cpu-shares is 262144"],
  ["a burst above the quota", 1, { cpu: { quota: 5n, burst: 6 } }, "more than the quota 5"],
  ["a burst above the quota", 2, { cpu: { quota: 5n, burst: 6 } }, "more than the quota 5"],
  ["a realtime period", 2, { cpu: { realtimePeriod: 5 } }, "need cgroup v1"],
  ["CPUs with a newline", 1, { cpu: { cpus: "0\n1" } }, "not a list of numbers"],
  ["a leaf's weight", 2, { blockIO: { leafWeight: 10 } }, "need cgroup v1"],
  [
    "a device's leaf weight",
    2,
    { blockIO: { weightDevice: [{ ...device, leafWeight: 10 }] } },
    "need cgroup v1",
  ],
  ["a network class", 2, { network: { classID: 1 } }, "need cgroup v1"],
  ["network priorities", 2, { network: { priorities: [{ name: "a", priority: 1 }] } }, "need cgroup v1"],
  [
    "a link that writes two words",
    1,
    { network: { priorities: [{ name: "a b", priority: 1 }] } },
    "not the name of a network link",
  ],
  [
    "an RDMA device that writes two words",
    2,
    { rdma: { "a hca_handle=9": { hcaHandles: 1 } } },
    "not the name of an RDMA device",
  ],
  [
    "an RDMA device of two lines",
    1,
    { rdma: { "a\nb": { hcaHandles: 1 } } },
    "not the name of an RDMA device",
  ],
  ["the members of a cgroup", 2, { unified: { "cgroup.procs": "1" } }, "not the name"],
  ["the kill switch", 2, { unified: { "cgroup.kill": "1" } }, "not the name"],
])("cgroupSettings() refuses %s in v%i", (_, version, resources, message) => {
  expect(() => lines(version, resources)).toThrow(message);
});
