/** Limits of processors, memory, block I/O and processes: of `run` and `create`, and of `update` later. */
import { type Flag, type FlagOptions, type FlagSet, parseUint16 } from "../flags.ts";

import * as values from "./values.ts";
import { fromPairs } from "./values.ts";

export function bytes(flags: FlagSet, name: string, usage: string, options: FlagOptions = {}): Flag<number> {
  return flags.custom(name, 0, usage, { valueName: "bytes", ...options, parse: values.parseBytes });
}

/** Adds the flags. */
export function limitFlags(flags: FlagSet) {
  return {
    blkioWeight: flags.custom(
      "blkio-weight",
      0,
      "Block IO (relative weight), between 10 and 1000, or 0 to disable",
      {
        valueName: "uint16",
        shownDefault: "0",
        parse: parseUint16,
      },
    ),
    cpuPeriod: flags.int("cpu-period", 0, "Limit CPU CFS (Completely Fair Scheduler) period"),
    cpuQuota: flags.int("cpu-quota", 0, "Limit CPU CFS (Completely Fair Scheduler) quota"),
    cpuRtPeriod: flags.int("cpu-rt-period", 0, "Limit CPU real-time period in microseconds"),
    cpuRtRuntime: flags.int("cpu-rt-runtime", 0, "Limit CPU real-time runtime in microseconds"),
    cpuShares: flags.int("cpu-shares", 0, "CPU shares (relative weight)", { short: "c" }),
    cpus: flags.custom("cpus", 0, "Number of CPUs", { valueName: "decimal", parse: values.parseNanoCpus }),
    cpusetCpus: flags.string("cpuset-cpus", "", "CPUs in which to allow execution (0-3, 0,1)"),
    cpusetMems: flags.string("cpuset-mems", "", "MEMs in which to allow execution (0-3, 0,1)"),
    memory: bytes(flags, "memory", "Memory limit", { short: "m" }),
    memoryReservation: bytes(flags, "memory-reservation", "Memory soft limit"),
    memorySwap: flags.custom(
      "memory-swap",
      0,
      "Swap limit equal to memory plus swap: '-1' to enable unlimited swap",
      {
        valueName: "bytes",
        parse: values.parseSwapBytes,
      },
    ),
    pidsLimit: flags.int("pids-limit", 0, "Tune container pids limit (set -1 for unlimited)"),
  };
}

/** Those that were given, as the body of `POST /containers/{id}/update` has them. */
export function limitsBody(flags: ReturnType<typeof limitFlags>): Readonly<Record<string, unknown>> {
  const fields: Readonly<Record<string, { readonly changed: boolean; readonly value: unknown }>> = {
    BlkioWeight: flags.blkioWeight,
    CpuPeriod: flags.cpuPeriod,
    CpuQuota: flags.cpuQuota,
    CpuRealtimePeriod: flags.cpuRtPeriod,
    CpuRealtimeRuntime: flags.cpuRtRuntime,
    CpuShares: flags.cpuShares,
    NanoCpus: flags.cpus,
    CpusetCpus: flags.cpusetCpus,
    CpusetMems: flags.cpusetMems,
    Memory: flags.memory,
    MemoryReservation: flags.memoryReservation,
    MemorySwap: flags.memorySwap,
    PidsLimit: flags.pidsLimit,
  };
  return fromPairs(
    Object.entries(fields).flatMap(([name, flag]) => (flag.changed ? [[name, flag.value]] : [])),
  );
}
