import { describe, expect, test } from "bun:test";
import type { LinuxResources } from "../specs/oci-runtime/spec.ts";
import { cgroupSettings, cpuWeight } from "./cgroup-settings.ts";

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
      ["memory.max=100", "memory.swap.max=200 ?", "memory.low=50"],
    ],
    ["no swap", { limit: 100n, swap: 100n }, ["memory.max=100", "memory.swap.max=0 ?"]],
    ["unlimited swap", { limit: 100n, swap: -1n }, ["memory.max=100", "memory.swap.max=max ?"]],
    ["memory alone", { limit: 100n }, ["memory.max=100"]],
    ["no limits", { limit: -1n }, ["memory.max=max", "memory.swap.max=max ?"]],
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
