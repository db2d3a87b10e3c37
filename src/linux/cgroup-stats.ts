/** Reads what a cgroup has used, for `events --stats`. */
import { readdir } from "node:fs/promises";
import { errnoOf } from "../base/errors.ts";
import { statsV1 } from "./cgroup-stats-v1.ts";
import { statsV2 } from "./cgroup-stats-v2.ts";
import { cgroupVersion } from "./cgroup-update.ts";
import type { CgroupStats } from "./cgroup-usage.ts";

/**
 * Reads a cgroup's statistics. `dirs`: one directory on v2, one for each hierarchy on v1. A controller that is not there
 * counts nothing. Throws `not_found` when the cgroup is gone.
 */
export async function readCgroupStats(dirs: readonly string[]): Promise<CgroupStats> {
  const pageSizes = await hugepageSizes();
  return (await cgroupVersion(dirs)) === 2 ? statsV2(dirs, pageSizes) : statsV1(dirs, pageSizes);
}

/** As control files name them. "hugepages-1048576kB" is "1GB" there: mem_fmt() in mm/hugetlb_cgroup.c */
export async function hugepageSizes(directory = "/sys/kernel/mm/hugepages"): Promise<string[]> {
  try {
    return (await readdir(directory)).flatMap((name) => {
      const [, digits] = /^hugepages-(\d{1,12})kB$/.exec(name) ?? [];
      if (digits === undefined) return [];
      const kib = Number(digits);
      if (kib >= 1 << 20) return [`${Math.trunc(kib / (1 << 20))}GB`];
      return [kib >= 1024 ? `${kib >> 10}MB` : `${kib}KB`];
    });
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}

/** JSON as runc writes it: counters are numbers with all their digits. */
export function encodeStats(stats: CgroupStats): string {
  return JSON.stringify(stats, (_, value: unknown) =>
    typeof value === "bigint" ? JSON.rawJSON(value.toString()) : value,
  );
}
