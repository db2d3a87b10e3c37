import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseNumberList, readControlFile } from "./cgroup-file.ts";
import { cgroupDirs } from "./cgroup-paths.ts";
import { encodeStats, hugepageSizes, readCgroupStats } from "./cgroup-stats.ts";
import { statsV1 } from "./cgroup-stats-v1.ts";
import { parsePressure, statsV2 } from "./cgroup-stats-v2.ts";
import { readHostFacts } from "./host-facts.ts";

let root = "";
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
  root = "";
});

function group(name: string, files: Readonly<Record<string, string>>): string {
  root ||= mkdtempSync(join(tmpdir(), "cgroup-stats-"));
  const dir = join(root, name);
  mkdirSync(dir, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(dir, file), text);
  return dir;
}

/** As plain JSON, with what is zero or empty left out: short enough to be read. */
function used(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(used);
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, entry]) => [key, used(entry)] as const)
      .filter(
        ([, entry]) =>
          entry !== 0n &&
          entry !== 0 &&
          JSON.stringify(entry, text) !== "{}" &&
          JSON.stringify(entry, text) !== "[]",
      ),
  );
}

const text = (_: string, value: unknown): unknown => (typeof value === "bigint" ? `${value}` : value);

test("statsV1() reads every hierarchy", async () => {
  const cpu = group("cpu,cpuacct", {
    "cpuacct.usage": "18446744073709551615\n",
    "cpuacct.stat": "user 12\nsystem 3\n",
    "cpuacct.usage_percpu": "5 6 \n",
    "cpuacct.usage_all": "cpu user system\n0 1 2\n1 3 4\n",
    "cpu.stat": "nr_periods 7\nnr_throttled 8\nthrottled_time 9\nnr_bursts 0\n",
  });
  const memory = group("memory", {
    "memory.stat": "cache 100\nrss 200\nhierarchical_memory_limit 9223372036854771712\n",
    "memory.usage_in_bytes": "300\n",
    "memory.max_usage_in_bytes": "400\n",
    "memory.limit_in_bytes": "9223372036854771712\n",
    "memory.failcnt": "5\n",
    "memory.memsw.usage_in_bytes": "301\n",
    "memory.memsw.limit_in_bytes": "600\n",
    "memory.kmem.usage_in_bytes": "10\n",
    "memory.kmem.tcp.usage_in_bytes": "11\n",
  });
  const others = group("others", {
    "cpuset.cpus": "0-1,3\n",
    "cpuset.mems": "0\n",
    "cpuset.sched_load_balance": "1\n",
    "cpuset.sched_relax_domain_level": "-1\n",
    "pids.current": "4\n",
    "pids.max": "max\n",
    "blkio.bfq.io_serviced_recursive": "Total 0\n",
    "blkio.throttle.io_serviced_recursive": "8:0 Read 1\n8:0 Write 2\n8:0 Total 3\nTotal 3\n",
    "blkio.throttle.io_service_bytes_recursive": "8:0 Read 4096\nTotal 4096\n",
    "hugetlb.2MB.usage_in_bytes": "2097152\n",
    "hugetlb.2MB.failcnt": "1\n",
    "rdma.current": "mlx5_0 hca_handle=2 hca_object=3\ngone hca_handle=1 hca_object=1\n",
    "rdma.max": "mlx5_0 hca_handle=max hca_object=30\n",
  });
  expect(used(await statsV1([cpu, memory, others], ["2MB", "1GB"]))).toEqual({
    cpu: {
      usage: {
        total: 18446744073709551615n,
        kernel: 30000000n,
        user: 120000000n,
        percpu: [5n, 6n],
        percpu_kernel: [2n, 4n],
        percpu_user: [1n, 3n],
      },
      throttling: { periods: 7n, throttledPeriods: 8n, throttledTime: 9n },
    },
    cpuset: { cpus: [0, 1, 3], mems: [0], sched_load_balance: 1n, sched_relax_domain_level: -1n },
    memory: {
      cache: 100n,
      usage: { limit: 9223372036854771712n, usage: 300n, max: 400n, failcnt: 5n },
      swap: { limit: 600n, usage: 301n },
      kernel: { usage: 10n },
      kernelTCP: { usage: 11n },
      raw: { cache: 100n, rss: 200n, hierarchical_memory_limit: 9223372036854771712n },
    },
    pids: { current: 4n },
    blkio: {
      ioServiceBytesRecursive: [{ major: 8, op: "Read", value: 4096n }],
      ioServicedRecursive: [
        { major: 8, op: "Read", value: 1n },
        { major: 8, op: "Write", value: 2n },
        { major: 8, op: "Total", value: 3n },
      ],
    },
    hugetlb: { "2MB": { usage: 2097152n, failcnt: 1n } },
    rdma: [
      {
        device: "mlx5_0",
        current: { hcaHandles: 2n, hcaObjects: 3n },
        limit: { hcaHandles: 18446744073709551615n, hcaObjects: 30n },
      },
    ],
  });
});

test("statsV2() reads the one directory and counts as v1 did", async () => {
  const dir = group("g", {
    "cpu.stat": "usage_usec 7\nuser_usec 4\nsystem_usec 3\nnr_periods 1\nnr_throttled 2\nthrottled_usec 5\n",
    "cpu.pressure":
      "some avg10=1.50 avg60=0.25 avg300=0.00 total=77\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1\n",
    "memory.stat": "anon 1\nfile 1000\nkernel 20\nsock 30\n",
    "memory.current": "2000\n",
    "memory.max": "4000\n",
    "memory.peak": "3000\n",
    "memory.swap.current": "100\n",
    "memory.swap.max": "500\n",
    "memory.events": "low 0\nhigh 0\nmax 6\noom 0\noom_kill 0\n",
    "pids.current": "4\n",
    "pids.max": "10\n",
    "io.stat": "8:16 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n254:0 \n",
    "hugetlb.1GB.rsvd.current": "1073741824\n",
    "hugetlb.1GB.current": "0\n",
    "hugetlb.1GB.events": "max 9\n",
  });
  expect(used(await statsV2([dir], ["1GB"]))).toEqual({
    cpu: {
      usage: { total: 7000n, kernel: 3000n, user: 4000n },
      throttling: { periods: 1n, throttledPeriods: 2n, throttledTime: 5000n },
      psi: { some: { avg10: 1.5, avg60: 0.25, total: 77n }, full: { total: 1n } },
    },
    memory: {
      cache: 1000n,
      usage: { limit: 4000n, usage: 2000n, max: 3000n, failcnt: 6n },
      swap: { limit: 4500n, usage: 2100n },
      kernel: { usage: 20n },
      kernelTCP: { usage: 30n },
      raw: { anon: 1n, file: 1000n, kernel: 20n, sock: 30n },
    },
    pids: { current: 4n, limit: 10n },
    blkio: {
      ioServiceBytesRecursive: [
        { major: 8, minor: 16, op: "Read", value: 1n },
        { major: 8, minor: 16, op: "Write", value: 2n },
      ],
      ioServicedRecursive: [
        { major: 8, minor: 16, op: "Read", value: 3n },
        { major: 8, minor: 16, op: "Write", value: 4n },
      ],
    },
    hugetlb: { "1GB": { usage: 1073741824n, failcnt: 9n } },
  });
});

test("statsV2() has no limit for the sum when one of the two has none, and counts members without a pids controller", async () => {
  const dir = group("g", {
    "memory.current": "5\n",
    "memory.max": "max\n",
    "memory.swap.max": "500\n",
    "cgroup.procs": "1\n2\n3\n",
  });
  const { memory, pids } = await statsV2([dir], []);
  expect([memory.usage.limit, memory.swap.limit]).toEqual([(1n << 64n) - 1n, (1n << 64n) - 1n]);
  expect(pids).toEqual({ current: 3n, limit: 0n });
});

test("encodeStats() keeps all digits", async () => {
  const dir = group("g", { "cpuacct.usage": "18446744073709551615\n" });
  const json = encodeStats(await statsV1([dir], []));
  expect(json).toStartWith('{"cpu":{"usage":{"total":18446744073709551615,"kernel":0,"user":0},');
});

test.each([
  ["some avg10=0.10 avg60=0.00 avg300=0.00 total=5\n", 5n],
  ["", undefined],
  ["full avg10=0.10 avg60=0.00 avg300=0.00 total=5\n", undefined],
  ["some avg10=x avg60=0.00 avg300=0.00 total=5\n", undefined],
])("parsePressure(%j)", (lines, total) => {
  expect(parsePressure(lines)?.some.total).toBe(total);
});

test.each<[string, number[]]>([
  ["0-2,7\n", [0, 1, 2, 7]],
  ["5", [5]],
  ["", []],
  ["3-1", []],
  ["0-999999", []],
  ["x", []],
])("parseNumberList(%j)", (list, numbers) => {
  expect(parseNumberList(list)).toEqual(numbers);
});

test("hugepageSizes() names them as control files do", async () => {
  const names = ["hugepages-64kB", "hugepages-2048kB", "hugepages-1048576kB", "other"];
  for (const name of names) group(`sizes/${name}`, {});
  expect((await hugepageSizes(join(root, "sizes"))).sort()).toEqual(["1GB", "2MB", "64KB"]);
  expect(await hugepageSizes(join(root, "missing"))).toEqual([]);
});

test("readControlFile() stops at its cap", async () => {
  const dir = group("g", { long: "x".repeat((1 << 20) + 1), fits: "x".repeat(1 << 20) });
  expect((await readControlFile([dir], "fits"))?.length).toBe(1 << 20);
  const error: unknown = await readControlFile([dir], "long").catch((e: unknown) => e);
  expect(String(error)).toContain("has more than 1048576 bytes");
});

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.log("skipped: readCgroupStats() on the real kernel: needs root");

describe.skipIf(!isRoot)("readCgroupStats() on the real kernel", () => {
  test("sees a cgroup's limits, and says when it is gone", async () => {
    const dirs = cgroupDirs(readHostFacts().cgroup, `/gantry-stats-test-${process.pid}`).map(
      ({ dir }) => dir,
    );
    for (const dir of dirs) mkdirSync(dir);
    try {
      const pids = dirs.map((dir) => join(dir, "pids.max")).find((file) => existsSync(file));
      if (pids !== undefined) writeFileSync(pids, "33", { flag: "r+" });
      const stats = await readCgroupStats(dirs);
      expect(stats.pids).toEqual({ current: 0n, limit: pids === undefined ? 0n : 33n });
      expect(stats.memory.usage.limit).toBeGreaterThan(1n << 40n);
      expect(Object.keys(stats.memory.raw).length).toBeGreaterThan(10);
    } finally {
      for (const dir of dirs) rmdirSync(dir);
    }
    const error: unknown = await readCgroupStats(dirs).catch((e: unknown) => e);
    expect(error).toMatchObject({ category: "not_found" });
  });
});
