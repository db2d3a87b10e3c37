/** Statistics of cgroup v2, under v1's names as runc shows them. Documentation/admin-guide/cgroup-v2.rst, psi.rst */
import { parseCounter, parseCounters, readControlFile } from "./cgroup-file.ts";
import {
  type BlkioEntry,
  type BlkioStats,
  type CgroupStats,
  type CgroupUse,
  type CpusetStats,
  type CpuStats,
  type HugetlbStats,
  type MemoryEntry,
  type MemoryStats,
  NO_BLKIO,
  NO_MEMORY,
  type Pressure,
  type PressureStats,
  type RdmaCounts,
  type RdmaStats,
} from "./cgroup-usage.ts";

type Read = (name: string) => Promise<string | undefined>;

const NO_LIMIT = (1n << 64n) - 1n;
const NS_PER_US = 1000n;

export async function statsV2(dirs: readonly string[], pageSizes: readonly string[]): Promise<CgroupStats> {
  const read: Read = (name) => readControlFile(dirs, name);
  const [use, hugetlb, rdma] = await Promise.all([useV2(read), readHugetlb(read, pageSizes), readRdma(read)]);
  return { ...use, cpuset: NO_CPUSET, hugetlb, rdma };
}

export async function useV2(read: Read): Promise<CgroupUse> {
  const [cpu, memory, pids, blkio] = await Promise.all([
    readCpu(read),
    readMemory(read),
    readPids(read),
    readIo(read),
  ]);
  return { cpu, memory, pids, blkio };
}

const NO_CPUSET: CpusetStats = {
  cpus: [],
  cpu_exclusive: 0n,
  mems: [],
  mem_hardwall: 0n,
  mem_exclusive: 0n,
  memory_migrate: 0n,
  memory_spread_page: 0n,
  memory_spread_slab: 0n,
  memory_pressure: 0n,
  sched_load_balance: 0n,
  sched_relax_domain_level: 0n,
};

async function readCpu(read: Read): Promise<CpuStats> {
  const stat = parseCounters(await read("cpu.stat"));
  const microseconds = (key: string): bigint => (stat.get(key) ?? 0n) * NS_PER_US;
  return {
    usage: {
      total: microseconds("usage_usec"),
      kernel: microseconds("system_usec"),
      user: microseconds("user_usec"),
    },
    throttling: {
      periods: stat.get("nr_periods") ?? 0n,
      throttledPeriods: stat.get("nr_throttled") ?? 0n,
      throttledTime: microseconds("throttled_usec"),
    },
    ...(await pressure(read, "cpu.pressure")),
  };
}

async function readMemory(read: Read): Promise<MemoryStats> {
  const raw = Object.fromEntries(parseCounters(await read("memory.stat")));
  const events = parseCounters(await read("memory.events"));
  const usage = { ...(await memoryEntry(read, "")), failcnt: events.get("max") ?? 0n };
  const swap = await memoryEntry(read, "swap.");
  return {
    cache: raw["file"] ?? 0n,
    usage,
    // v1 speaks of both together; their peaks need not have been at the same time.
    swap: {
      limit: swap.limit === NO_LIMIT || usage.limit === NO_LIMIT ? NO_LIMIT : swap.limit + usage.limit,
      usage: swap.usage + usage.usage,
      max: 0n,
      failcnt: 0n,
    },
    kernel: { ...NO_MEMORY, usage: raw["kernel"] ?? 0n },
    kernelTCP: { ...NO_MEMORY, usage: raw["sock"] ?? 0n },
    raw,
    ...(await pressure(read, "memory.pressure")),
  };
}

async function memoryEntry(read: Read, part: string): Promise<MemoryEntry> {
  const [limit, usage, max] = await Promise.all(
    ["max", "current", "peak"].map(async (name) => parseCounter(await read(`memory.${part}${name}`)) ?? 0n),
  );
  return { limit: limit ?? 0n, usage: usage ?? 0n, max: max ?? 0n, failcnt: 0n };
}

/** Without the controller its members are counted. */
async function readPids(read: Read): Promise<CgroupStats["pids"]> {
  const current = parseCounter(await read("pids.current"));
  if (current === undefined) {
    const members = (await read("cgroup.procs")) ?? (await read("cgroup.threads")) ?? "";
    return { current: BigInt(members.split("\n").length - 1), limit: 0n };
  }
  const limit = parseCounter(await read("pids.max")) ?? 0n;
  return { current, limit: limit === NO_LIMIT ? 0n : limit };
}

async function readIo(read: Read): Promise<BlkioStats> {
  return { ...parseIoStat((await read("io.stat")) ?? ""), ...(await pressure(read, "io.pressure")) };
}

/** "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0" */
export function parseIoStat(text: string): BlkioStats {
  const bytes: BlkioEntry[] = [];
  const operations: BlkioEntry[] = [];
  for (const line of text.split("\n")) {
    const [name = "", ...words] = line.split(" ");
    const [, major, minor] = /^(\d+):(\d+)$/.exec(name) ?? [];
    if (major === undefined) continue;
    for (const word of words) {
      const [key, number] = word.split("=");
      const value = parseCounter(number);
      const op =
        key === "rbytes" || key === "rios"
          ? "Read"
          : key === "wbytes" || key === "wios"
            ? "Write"
            : undefined;
      if (value === undefined || op === undefined) continue;
      const table = key === "rbytes" || key === "wbytes" ? bytes : operations;
      table.push({ major: Number(major), minor: Number(minor), op, value });
    }
  }
  return { ...NO_BLKIO, ioServiceBytesRecursive: bytes, ioServicedRecursive: operations };
}

async function readHugetlb(
  read: Read,
  pageSizes: readonly string[],
): Promise<Readonly<Record<string, HugetlbStats>>> {
  const stats: Record<string, HugetlbStats> = {};
  for (const size of pageSizes) {
    const reserved = await read(`hugetlb.${size}.rsvd.current`);
    const usage = parseCounter(reserved ?? (await read(`hugetlb.${size}.current`)));
    if (usage === undefined) continue;
    const events = parseCounters(await read(`hugetlb.${size}.events`));
    stats[size] = { usage, max: 0n, failcnt: events.get("max") ?? 0n };
  }
  return stats;
}

/** The same files in both versions: "mlx5_0 hca_handle=2 hca_object=max". */
export async function readRdma(read: Read): Promise<RdmaStats[]> {
  const current = parseRdma(await read("rdma.current"));
  const limits = parseRdma(await read("rdma.max"));
  return [...current].flatMap(([device, counts]) => {
    // One that came or went between the two is left out.
    const limit = limits.get(device);
    return limit === undefined ? [] : [{ device, current: counts, limit }];
  });
}

function parseRdma(text: string | undefined): Map<string, RdmaCounts> {
  const devices = new Map<string, RdmaCounts>();
  for (const line of (text ?? "").split("\n")) {
    const [, device, handles, objects] = /^(\S+) hca_handle=(\S+) hca_object=(\S+)/.exec(line) ?? [];
    const counts = { hcaHandles: parseCounter(handles), hcaObjects: parseCounter(objects) };
    if (device !== undefined && counts.hcaHandles !== undefined && counts.hcaObjects !== undefined)
      devices.set(device, { hcaHandles: counts.hcaHandles, hcaObjects: counts.hcaObjects });
  }
  return devices;
}

async function pressure(read: Read, file: string): Promise<{ readonly psi?: PressureStats }> {
  const psi = parsePressure(await read(file));
  return psi === undefined ? {} : { psi };
}

const NO_PRESSURE: Pressure = { avg10: 0, avg60: 0, avg300: 0, total: 0n };

/** Undefined when the kernel does not keep these accounts. Kernels before 5.13 say nothing of "full" for the CPU. */
export function parsePressure(text: string | undefined): PressureStats | undefined {
  const lines = new Map<string, Pressure>();
  for (const line of (text ?? "").split("\n")) {
    const [, kind, avg10, avg60, avg300, total] =
      /^(some|full) avg10=([\d.]+) avg60=([\d.]+) avg300=([\d.]+) total=(\d+)$/.exec(line) ?? [];
    if (kind !== undefined)
      lines.set(kind, {
        avg10: Number(avg10),
        avg60: Number(avg60),
        avg300: Number(avg300),
        total: parseCounter(total) ?? 0n,
      });
  }
  const some = lines.get("some");
  return some === undefined ? undefined : { some, full: lines.get("full") ?? NO_PRESSURE };
}
