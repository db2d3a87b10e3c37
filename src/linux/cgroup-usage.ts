/**
 * What a cgroup has used, in one form for both versions: runc's `events --stats`, whose field names these are. Counters
 * are bigint (they have 64 bits, and "no limit" is the greatest); times in nanoseconds, sizes in bytes.
 */
import type { RdtStats } from "./intel-rdt-stats.ts";

/** What everybody asks for. */
export interface CgroupUse {
  readonly cpu: CpuStats;
  readonly memory: MemoryStats;
  readonly pids: { readonly current: bigint /** 0: none */; readonly limit: bigint };
  readonly blkio: BlkioStats;
}

export interface CgroupStats extends CgroupUse {
  readonly cpuset: CpusetStats;
  /** By page size: "2MB". */
  readonly hugetlb: Readonly<Record<string, HugetlbStats>>;
  /** runc reads it, too, but does not print it. */
  readonly rdma: readonly RdmaStats[];
  /** Of the class of service, by who knows that: `readRdtStats`. */
  readonly intel_rdt?: RdtStats | undefined;
}

export interface CpuStats {
  readonly usage: {
    readonly total: bigint;
    readonly kernel: bigint;
    readonly user: bigint;
    /** v1 alone */
    readonly percpu?: readonly bigint[];
    readonly percpu_kernel?: readonly bigint[];
    readonly percpu_user?: readonly bigint[];
  };
  readonly throttling: {
    readonly periods: bigint;
    readonly throttledPeriods: bigint;
    readonly throttledTime: bigint;
  };
  readonly psi?: PressureStats;
}

/** v1 alone; zeros and empty lists in v2. */
export interface CpusetStats {
  readonly cpus: readonly number[];
  readonly cpu_exclusive: bigint;
  readonly mems: readonly number[];
  readonly mem_hardwall: bigint;
  readonly mem_exclusive: bigint;
  readonly memory_migrate: bigint;
  readonly memory_spread_page: bigint;
  readonly memory_spread_slab: bigint;
  readonly memory_pressure: bigint;
  readonly sched_load_balance: bigint;
  readonly sched_relax_domain_level: bigint;
}

export interface MemoryStats {
  readonly cache: bigint;
  readonly usage: MemoryEntry;
  /** Of memory and swap together, in v2, too. */
  readonly swap: MemoryEntry;
  readonly kernel: MemoryEntry;
  readonly kernelTCP: MemoryEntry;
  /** memory.stat */
  readonly raw: Readonly<Record<string, bigint>>;
  readonly psi?: PressureStats;
}

export interface MemoryEntry {
  readonly limit: bigint;
  readonly usage: bigint;
  readonly max: bigint;
  readonly failcnt: bigint;
}

export const NO_MEMORY: MemoryEntry = { limit: 0n, usage: 0n, max: 0n, failcnt: 0n };

export interface BlkioStats {
  readonly ioServiceBytesRecursive: readonly BlkioEntry[];
  readonly ioServicedRecursive: readonly BlkioEntry[];
  readonly ioQueueRecursive: readonly BlkioEntry[];
  readonly ioServiceTimeRecursive: readonly BlkioEntry[];
  readonly ioWaitTimeRecursive: readonly BlkioEntry[];
  readonly ioMergedRecursive: readonly BlkioEntry[];
  readonly ioTimeRecursive: readonly BlkioEntry[];
  readonly sectorsRecursive: readonly BlkioEntry[];
  readonly psi?: PressureStats;
}

export const NO_BLKIO: BlkioStats = {
  ioServiceBytesRecursive: [],
  ioServicedRecursive: [],
  ioQueueRecursive: [],
  ioServiceTimeRecursive: [],
  ioWaitTimeRecursive: [],
  ioMergedRecursive: [],
  ioTimeRecursive: [],
  sectorsRecursive: [],
};

export interface BlkioEntry {
  readonly major: number;
  readonly minor: number;
  readonly op?: string;
  readonly value: bigint;
}

export interface HugetlbStats {
  readonly usage: bigint;
  readonly max: bigint;
  readonly failcnt: bigint;
}

export interface RdmaStats {
  readonly device: string;
  readonly current: RdmaCounts;
  readonly limit: RdmaCounts;
}

export interface RdmaCounts {
  readonly hcaHandles: bigint;
  readonly hcaObjects: bigint;
}

/** Shares of time in which tasks waited for it, in percent; `total` in microseconds. */
export interface PressureStats {
  readonly some: Pressure;
  readonly full: Pressure;
}

export interface Pressure {
  readonly avg10: number;
  readonly avg60: number;
  readonly avg300: number;
  readonly total: bigint;
}
