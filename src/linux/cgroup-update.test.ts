import { afterEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LinuxResources } from "../specs/oci-runtime/resources.ts";
import { cgroupDirs } from "./cgroup-paths.ts";
import type { CgroupValues } from "./cgroup-setting.ts";
import { cgroupUpdate } from "./cgroup-settings.ts";
import { applySettings, readCgroupValues, updateCgroup } from "./cgroup-update.ts";
import { readHostFacts } from "./host-facts.ts";

const lines = (version: 1 | 2, resources: LinuxResources, now: CgroupValues): string[] =>
  cgroupUpdate(version, resources, now).map(({ file, value }) => `${file}=${value}`);

describe("cgroupUpdate()", () => {
  const v1 = { memoryLimit: 100n, swapLimit: 200n };

  test.each<[string, NonNullable<LinuxResources["memory"]>, CgroupValues, string[]]>([
    ["both smaller", { limit: 50n, swap: 60n }, v1, ["memory.limit=50", "memory.memsw=60"]],
    ["both greater", { limit: 300n, swap: 400n }, v1, ["memory.memsw=400", "memory.limit=300"]],
    ["memory up to the old sum", { limit: 200n, swap: 400n }, v1, ["memory.limit=200", "memory.memsw=400"]],
    ["no limit any more", { limit: -1n }, v1, ["memory.memsw=-1", "memory.limit=-1"]],
    [
      "a limit where none was",
      { limit: 50n, swap: 60n },
      { swapLimit: -1n },
      ["memory.limit=50", "memory.memsw=60"],
    ],
    ["without swap accounting", { limit: 300n }, { memoryLimit: 100n }, ["memory.limit=300"]],
  ])("keeps v1's sum above the memory limit: %s", (_, memory, now, expected) => {
    const short = lines(1, { memory }, now).map((line) =>
      line.replace(".limit_in_bytes", "").replace("memory=", "memory.limit="),
    );
    expect(short).toEqual(expected);
  });

  test.each<[string, NonNullable<LinuxResources["memory"]>, CgroupValues, string[]]>([
    [
      "memory alone keeps the sum",
      { limit: 150n },
      { memoryLimit: 100n, swapLimit: 100n },
      ["memory.swap.max=50", "memory.max=150"],
    ],
    ["memory alone, swap free", { limit: 150n }, { memoryLimit: 100n, swapLimit: -1n }, ["memory.max=150"]],
    [
      "swap alone counts from the memory limit",
      { swap: 150n },
      { memoryLimit: 100n, swapLimit: -1n },
      ["memory.swap.max=50"],
    ],
    [
      "unlimited memory, swap as it is",
      { limit: -1n, swap: 70n },
      { memoryLimit: 100n },
      ["memory.swap.max=70", "memory.max=max"],
    ],
    ["checked and fitting", { limit: 99n, checkBeforeUpdate: true }, { memoryUsage: 98n }, ["memory.max=99"]],
    ["unchecked", { limit: 50n }, { memoryUsage: 98n }, ["memory.max=50"]],
  ])("converts v2's swap: %s", (_, memory, now, expected) => {
    expect(lines(2, { memory }, now)).toEqual(expected);
  });

  test.each<[NonNullable<LinuxResources["memory"]>, CgroupValues, string]>([
    [{ limit: 300n }, { memoryLimit: 100n, swapLimit: 100n }, "must not be below the memory limit"],
    [{ swap: 50n }, { memoryLimit: 100n }, "must not be below the memory limit"],
    [{ swap: 50n }, { memoryLimit: -1n }, "without a memory limit"],
    [{ limit: 98n, checkBeforeUpdate: true }, { memoryUsage: 98n }, "rejecting memory limit 98 <= usage 98"],
    [
      { limit: 99n, swap: 98n, checkBeforeUpdate: true },
      { memoryUsage: 98n },
      "rejecting memory+swap limit 98 <= usage 98",
    ],
  ])("refuses a limit: %#", (memory, now, message) => {
    expect(() => lines(2, { memory }, now)).toThrow(message);
  });

  test.each<[string, 1 | 2, NonNullable<LinuxResources["cpu"]>, CgroupValues, string[]]>([
    [
      "a longer period first",
      1,
      { quota: 5n, period: 200 },
      { cpuQuota: 100n, cpuPeriod: 100 },
      ["cpu.cfs_period_us=200", "cpu.cfs_quota_us=5"],
    ],
    [
      "a shorter period last",
      1,
      { quota: 5n, period: 50 },
      { cpuQuota: 100n, cpuPeriod: 100 },
      ["cpu.cfs_quota_us=5", "cpu.cfs_period_us=50"],
    ],
    [
      "a shorter realtime period last",
      1,
      { realtimeRuntime: 5n, realtimePeriod: 50 },
      { realtimePeriod: 100 },
      ["cpu.rt_runtime_us=5", "cpu.rt_period_us=50"],
    ],
    [
      "a longer realtime period first",
      1,
      { realtimeRuntime: 5n, realtimePeriod: 500 },
      { realtimePeriod: 100 },
      ["cpu.rt_period_us=500", "cpu.rt_runtime_us=5"],
    ],
    [
      "a burst that fits, first",
      1,
      { quota: 50n, burst: 40 },
      { cpuQuota: 100n, cpuBurst: 100 },
      ["cpu.cfs_burst_us=40", "cpu.cfs_quota_us=50"],
    ],
    [
      "a burst above the old quota, last",
      1,
      { quota: 200n, burst: 150 },
      { cpuQuota: 100n },
      ["cpu.cfs_quota_us=200", "cpu.cfs_burst_us=150"],
    ],
    [
      "the same in v2",
      2,
      { quota: 200n, burst: 150 },
      { cpuQuota: 100n, cpuPeriod: 1000 },
      ["cpu.max=200 1000", "cpu.max.burst=150"],
    ],
    ["v2's quota keeps the period", 2, { quota: 200n }, { cpuPeriod: 1000 }, ["cpu.max=200 1000"]],
    [
      "v2's period keeps the quota",
      2,
      { period: 500 },
      { cpuQuota: 70n, cpuPeriod: 1000 },
      ["cpu.max=70 500"],
    ],
    ["v2's quota is taken away", 2, { quota: -1n }, { cpuQuota: 70n, cpuPeriod: 1000 }, ["cpu.max=max 1000"]],
    ["woken, then weighed", 2, { idle: 0, shares: 1024 }, {}, ["cpu.idle=0", "cpu.weight=100"]],
    ["idle has no weight", 2, { idle: 1, shares: 1024 }, {}, ["cpu.idle=1"]],
    ["woken in v1", 1, { idle: 0, shares: 1024 }, {}, ["cpu.idle=0", "cpu.shares=1024"]],
  ])("orders CPU limits: %s", (_, version, cpu, now, expected) => {
    expect(lines(version, { cpu }, now)).toEqual(expected);
  });
});

describe("applySettings()", () => {
  let root = "";
  const group = (name: string, files: Readonly<Record<string, string>>): string => {
    root ||= mkdtempSync(join(tmpdir(), "cgroup-update-"));
    const dir = join(root, name);
    mkdirSync(dir);
    for (const [file, value] of Object.entries(files)) writeFileSync(join(dir, file), value);
    return dir;
  };
  afterEach(() => {
    rmSync(root, { recursive: true, force: true });
    root = "";
  });
  const write = (file: string, value: string, more: object = {}) => ({
    controller: "memory",
    file,
    value,
    mayMiss: false,
    ...more,
  });

  test("finds each file among the hierarchies and makes none", async () => {
    const [memory, cpu] = [group("memory", { "memory.x": "1" }), group("cpu", { "cpu.x": "1" })];
    await applySettings([memory, cpu], [write("cpu.x", "7"), write("memory.y", "7", { mayMiss: true })]);
    expect(readFileSync(join(cpu, "cpu.x"), "utf8")).toBe("7");
    expect(existsSync(join(memory, "memory.y"))).toBe(false);
  });

  test("takes back what was written before a failure, which names the file", async () => {
    const dir = group("g", { "a.x": "5", "a.max": "max 100000" });
    const error: unknown = await applySettings(
      [dir],
      [write("a.x", "6"), write("a.max", "10 2000000"), write("b.x", "7")],
    ).catch((e: unknown) => e);
    expect(error).toMatchObject({ category: "invalid_argument" });
    expect(String(error)).toContain('cannot set "b.x"');
    expect([readFileSync(join(dir, "a.x"), "utf8"), readFileSync(join(dir, "a.max"), "utf8")]).toEqual([
      "5",
      "max 100000",
    ]);
  });

  test("wants one of two files that stand for each other", async () => {
    const both = [
      write("bfq", "1", { mayMiss: true, oneOf: "w" }),
      write("io", "2", { mayMiss: true, oneOf: "w" }),
    ];
    const dir = group("g", { io: "1" });
    await applySettings([dir], both);
    expect(readFileSync(join(dir, "io"), "utf8")).toBe("2");
    const none: unknown = await applySettings([group("none", {})], both).catch((e: unknown) => e);
    expect(String(none)).toContain('cannot set "bfq"');
  });

  test("readCgroupValues() reads v2", async () => {
    const dir = group("g", {
      "cgroup.controllers": "cpu memory",
      "memory.max": "max\n",
      "memory.swap.max": "4096\n",
      "memory.current": "77\n",
      "cpu.max": "max 50000\n",
      "cpu.max.burst": "0\n",
    });
    expect(await readCgroupValues([dir])).toEqual({
      memoryLimit: -1n,
      swapLimit: 4096n,
      memoryUsage: 77n,
      cpuQuota: -1n,
      cpuPeriod: 50000,
      cpuBurst: 0,
    });
  });

  test("says when the cgroup is gone", async () => {
    const error: unknown = await updateCgroup([join(tmpdir(), "no-such-cgroup")], {}).catch(
      (e: unknown) => e,
    );
    expect(error).toMatchObject({ category: "not_found" });
  });
});

/** Any of the host's: for a moment it is limited for nobody. */
function blockDevice(): number[] | undefined {
  const [name] = existsSync("/sys/block") ? readdirSync("/sys/block") : [];
  return name === undefined
    ? undefined
    : readFileSync(`/sys/block/${name}/dev`, "utf8").trim().split(":").map(Number);
}
if (blockDevice() === undefined) console.log("skipped: a throttled block device: this host has none");

const isV1Root = process.getuid?.() === 0 && readHostFacts().cgroup.version === 1;
if (!isV1Root) console.log("skipped: updateCgroup() on a real v1 kernel: needs root and cgroup v1");

describe.skipIf(!isV1Root)("updateCgroup() on the real kernel", () => {
  const MiB = 1n << 20n;
  const made: string[] = [];
  const makeGroup = (): string[] => {
    const dirs = cgroupDirs(readHostFacts().cgroup, `/gantry-update-test-${process.pid}`).map(
      ({ dir }) => dir,
    );
    for (const dir of dirs) mkdirSync(dir);
    made.push(...dirs);
    return dirs;
  };
  afterEach(() => {
    for (const dir of made.splice(0)) rmdirSync(dir);
  });

  test("moves memory and its sum with swap up and down", async () => {
    const dirs = makeGroup();
    for (const [limit, swap] of [
      [64n, 128n],
      [256n, 300n],
      [32n, 40n],
      [40n, 80n],
      [-1n, 0n],
      [16n, 16n],
    ] as const) {
      await updateCgroup(dirs, { memory: { limit: limit < 0n ? limit : limit * MiB, swap: swap * MiB } });
      const now = await readCgroupValues(dirs);
      expect(now.memoryLimit).toBe(limit < 0n ? -1n : limit * MiB);
      if (now.swapLimit !== undefined) expect(now.swapLimit).toBe(swap === 0n ? -1n : swap * MiB);
    }
  });

  test("moves quota, period and burst in every direction, below a parent with a quota", async () => {
    const dirs = makeGroup();
    await updateCgroup(dirs, { cpu: { quota: 50000n, period: 100000 } });
    const inner = dirs.map((dir) => join(dir, "inner"));
    for (const dir of inner) mkdirSync(dir);
    made.unshift(...inner);
    for (const [quota, period, burst] of [
      [50000n, 100000, 0],
      [5000n, 10000, 4000],
      [400000n, 800000, 400000],
      [2000n, 5000, 1000],
      [-1n, 100000, 0],
      [20000n, 50000, 0],
    ] as const) {
      await updateCgroup(inner, { cpu: { quota, period, burst } });
      expect(await readCgroupValues(inner)).toMatchObject({
        cpuQuota: quota,
        cpuPeriod: period,
        cpuBurst: burst,
      });
    }
  });

  test.skipIf(blockDevice() === undefined)("throttles a block device and lets it go", async () => {
    const dirs = makeGroup();
    const [major = 0, minor = 0] = blockDevice() ?? [];
    const blkio = dirs.find((dir) => existsSync(join(dir, "blkio.throttle.read_bps_device"))) ?? "";
    for (const rate of [1048576n, 0n]) {
      await updateCgroup(dirs, { blockIO: { throttleReadBpsDevice: [{ major, minor, rate }] } });
      const text = readFileSync(join(blkio, "blkio.throttle.read_bps_device"), "utf8");
      expect(text).toBe(rate === 0n ? "" : `${major}:${minor} ${rate}\n`);
    }
  });

  test("limits processes and block devices, and undoes all when the kernel refuses one", async () => {
    const dirs = makeGroup();
    await updateCgroup(dirs, { pids: { limit: 77n }, cpu: { shares: 512 } });
    const pids = dirs.find((dir) => existsSync(join(dir, "pids.max"))) ?? "";
    const cpu = dirs.find((dir) => existsSync(join(dir, "cpu.shares"))) ?? "";
    expect(readFileSync(join(pids, "pids.max"), "utf8")).toBe("77\n");
    const bad = [{ major: 4095, minor: 1048575, rate: 1n }];
    const error: unknown = await updateCgroup(dirs, {
      cpu: { shares: 600 },
      pids: { limit: 5n },
      blockIO: { throttleReadBpsDevice: bad },
    }).catch((e: unknown) => e);
    expect(String(error)).toContain("blkio.throttle.read_bps_device");
    expect(readFileSync(join(pids, "pids.max"), "utf8")).toBe("77\n");
    expect(readFileSync(join(cpu, "cpu.shares"), "utf8")).toBe("512\n");
  });
});
