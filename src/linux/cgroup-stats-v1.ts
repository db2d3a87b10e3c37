/** Statistics of cgroup v1. Documentation/admin-guide/cgroup-v1 */
import { parseCounter, parseCounters, parseNumberList, readControlFile } from "./cgroup-file.ts";
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
} from "./cgroup-usage.ts";
import { readRdma } from "./cgroup-stats-v2.ts";

type Read = (name: string) => Promise<string | undefined>;

export async function statsV1(dirs: readonly string[], pageSizes: readonly string[]): Promise<CgroupStats> {
  const read: Read = (name) => readControlFile(dirs, name);
  const [use, cpuset, hugetlb, rdma] = await Promise.all([
    useV1(read),
    readCpuset(read),
    readHugetlb(read, pageSizes),
    readRdma(read),
  ]);
  return { ...use, cpuset, hugetlb, rdma };
}

export async function useV1(read: Read): Promise<CgroupUse> {
  const [cpu, memory, pids, blkio] = await Promise.all([
    readCpu(read),
    readMemory(read),
    readPids(read),
    readBlkio(read),
  ]);
  return { cpu, memory, pids, blkio };
}

async function counter(read: Read, name: string): Promise<bigint> {
  return parseCounter(await read(name)) ?? 0n;
}

/** cpuacct.stat counts in ticks of USER_HZ, which is 100 for every architecture. */
const NS_PER_TICK = 10_000_000n;

async function readCpu(read: Read): Promise<CpuStats> {
  const [total, stat, percpu, modes, cfs] = await Promise.all(
    ["cpuacct.usage", "cpuacct.stat", "cpuacct.usage_percpu", "cpuacct.usage_all", "cpu.stat"].map(read),
  );
  const ticks = parseCounters(stat);
  const throttling = parseCounters(cfs);
  // "cpu user system", then a line for each CPU.
  const lines = (modes ?? "").split("\n").slice(1).filter(Boolean);
  const column = (index: number): bigint[] => lines.map((line) => parseCounter(line.split(" ")[index]) ?? 0n);
  return {
    usage: {
      total: parseCounter(total) ?? 0n,
      kernel: (ticks.get("system") ?? 0n) * NS_PER_TICK,
      user: (ticks.get("user") ?? 0n) * NS_PER_TICK,
      ...(percpu === undefined
        ? {}
        : {
            percpu: percpu
              .trim()
              .split(/\s+/)
              .map((word) => parseCounter(word) ?? 0n),
          }),
      ...(modes === undefined ? {} : { percpu_kernel: column(2), percpu_user: column(1) }),
    },
    throttling: {
      periods: throttling.get("nr_periods") ?? 0n,
      throttledPeriods: throttling.get("nr_throttled") ?? 0n,
      throttledTime: throttling.get("throttled_time") ?? 0n,
    },
  };
}

async function readCpuset(read: Read): Promise<CpusetStats> {
  const number = (name: string): Promise<bigint> => counter(read, `cpuset.${name}`);
  const level = (await read("cpuset.sched_relax_domain_level"))?.trim() ?? "";
  return {
    cpus: parseNumberList(await read("cpuset.cpus")),
    cpu_exclusive: await number("cpu_exclusive"),
    mems: parseNumberList(await read("cpuset.mems")),
    mem_hardwall: await number("mem_hardwall"),
    mem_exclusive: await number("mem_exclusive"),
    memory_migrate: await number("memory_migrate"),
    memory_spread_page: await number("memory_spread_page"),
    memory_spread_slab: await number("memory_spread_slab"),
    memory_pressure: await number("memory_pressure"),
    sched_load_balance: await number("sched_load_balance"),
    sched_relax_domain_level: /^-?\d{1,9}$/.test(level) ? BigInt(level) : 0n,
  };
}

async function readMemory(read: Read): Promise<MemoryStats> {
  const raw = Object.fromEntries(parseCounters(await read("memory.stat")));
  const [usage, swap, kernel, kernelTCP] = await Promise.all(
    ["", "memsw.", "kmem.", "kmem.tcp."].map((part) => memoryEntry(read, part)),
  );
  return {
    cache: raw["cache"] ?? 0n,
    usage: usage ?? NO_MEMORY,
    swap: swap ?? NO_MEMORY,
    kernel: kernel ?? NO_MEMORY,
    kernelTCP: kernelTCP ?? NO_MEMORY,
    raw,
  };
}

async function memoryEntry(read: Read, part: string): Promise<MemoryEntry> {
  const [limit, usage, max, failcnt] = await Promise.all(
    ["limit_in_bytes", "usage_in_bytes", "max_usage_in_bytes", "failcnt"].map((name) =>
      counter(read, `memory.${part}${name}`),
    ),
  );
  return { limit: limit ?? 0n, usage: usage ?? 0n, max: max ?? 0n, failcnt: failcnt ?? 0n };
}

/** A limit that is none is 0, as runc has it. */
async function readPids(read: Read): Promise<CgroupStats["pids"]> {
  const limit = await read("pids.max");
  return {
    current: await counter(read, "pids.current"),
    limit: limit?.trim() === "max" ? 0n : (parseCounter(limit) ?? 0n),
  };
}

const BLKIO_FILES = [
  ["sectorsRecursive", "sectors_recursive"],
  ["ioServiceTimeRecursive", "io_service_time_recursive"],
  ["ioWaitTimeRecursive", "io_wait_time_recursive"],
  ["ioMergedRecursive", "io_merged_recursive"],
  ["ioQueueRecursive", "io_queued_recursive"],
  ["ioTimeRecursive", "time_recursive"],
  ["ioServicedRecursive", "io_serviced_recursive"],
  ["ioServiceBytesRecursive", "io_service_bytes_recursive"],
] as const;

/** The scheduler's own accounts if it keeps some, which needs BFQ; else those of the throttling layer. */
const BLKIO_SOURCES = ["blkio.bfq.", "blkio.", "blkio.throttle."];

async function readBlkio(read: Read): Promise<BlkioStats> {
  for (const source of BLKIO_SOURCES) {
    const tables = await Promise.all(
      BLKIO_FILES.map(async ([field, file]) => [field, parseBlkio(await read(`${source}${file}`))] as const),
    );
    // BFQ is there, but no device uses it: then throttling knows more.
    const isUsed = tables.some(([, entries]) => entries.length > 0);
    if (isUsed) return { ...NO_BLKIO, ...Object.fromEntries(tables) };
  }
  return NO_BLKIO;
}

/** "8:0 Read 4096", or without the word; "Total 0" is left out. */
export function parseBlkio(text: string | undefined): BlkioEntry[] {
  return (text ?? "").split("\n").flatMap((line) => {
    const [, major, minor, op, word] = /^(\d+):(\d+)(?: ([A-Za-z]+))? (\d+)$/.exec(line) ?? [];
    const value = parseCounter(word);
    if (major === undefined || minor === undefined || value === undefined) return [];
    return [{ major: Number(major), minor: Number(minor), ...(op === undefined ? {} : { op }), value }];
  });
}

async function readHugetlb(
  read: Read,
  pageSizes: readonly string[],
): Promise<Readonly<Record<string, HugetlbStats>>> {
  const stats: Record<string, HugetlbStats> = {};
  for (const size of pageSizes) {
    const reserved = await read(`hugetlb.${size}.rsvd.usage_in_bytes`);
    const prefix = reserved === undefined ? `hugetlb.${size}` : `hugetlb.${size}.rsvd`;
    const usage = parseCounter(reserved ?? (await read(`${prefix}.usage_in_bytes`)));
    if (usage !== undefined)
      stats[size] = {
        usage,
        max: await counter(read, `${prefix}.max_usage_in_bytes`),
        failcnt: await counter(read, `${prefix}.failcnt`),
      };
  }
  return stats;
}
