/** One write to a control file, and what is the same for both cgroup versions. */
import { fail } from "../base/errors.ts";
import type { LinuxResources } from "../specs/oci-runtime/resources.ts";

export interface CgroupSetting {
  /** The v1 hierarchy that has the file; in v2 the controller that must be passed down to the cgroup. */
  readonly controller: string;
  readonly file: string;
  readonly value: string;
  /** Not every kernel has it (swap accounting, block weights): a missing file is fine. */
  readonly mayMiss: boolean;
  /** Settings of the same name stand for each other: the file of at least one of them must exist. */
  readonly oneOf?: string;
}

/**
 * What a cgroup's files hold, as far as the order of writes or a check depends on it. Bytes, microseconds; -1 = no limit;
 * absent = not known, since the file is missing.
 */
export interface CgroupValues {
  readonly memoryLimit?: bigint;
  /** v1: of memory and swap together; v2: of swap alone. */
  readonly swapLimit?: bigint;
  readonly memoryUsage?: bigint;
  readonly cpuQuota?: bigint;
  readonly cpuPeriod?: number;
  readonly cpuBurst?: number;
  readonly realtimePeriod?: number;
}

/** As the kernel makes a cgroup. */
export const FRESH_CGROUP: CgroupValues = {
  memoryLimit: -1n,
  swapLimit: -1n,
  cpuQuota: -1n,
  cpuPeriod: 100_000,
  cpuBurst: 0,
  realtimePeriod: 1_000_000,
};

export function setting(
  controller: string,
  file: string,
  value: string | number | bigint,
  mayMiss = false,
): CgroupSetting {
  return { controller, file, value: String(value), mayMiss };
}

export function cpusetSettings({ cpu }: LinuxResources): CgroupSetting[] {
  return (["cpus", "mems"] as const).flatMap((key) => {
    const list = cpu?.[key] ?? "";
    if (list === "") return [];
    if (!/^[\w ,:/-]+$/.test(list))
      throw fail(
        "invalid_argument",
        `cpu.${key} ${JSON.stringify(list.slice(0, 100))} is not a list of numbers`,
      );
    return [setting("cpuset", `cpuset.${key}`, list)];
  });
}

export function pidsSettings({ pids }: LinuxResources): CgroupSetting[] {
  if (pids === undefined || pids.limit === 0n) return [];
  return [setting("pids", "pids.max", pids.limit > 0n ? pids.limit : "max")];
}

/** `suffix`: what the version calls a limit. Reservations count apart, on kernels since 5.7. */
export function hugetlbSettings({ hugepageLimits }: LinuxResources, suffix: string): CgroupSetting[] {
  return (hugepageLimits ?? []).flatMap(({ pageSize, limit }) => [
    setting("hugetlb", `hugetlb.${pageSize}.${suffix}`, limit),
    setting("hugetlb", `hugetlb.${pageSize}.rsvd.${suffix}`, limit, true),
  ]);
}

export function rdmaSettings({ rdma }: LinuxResources): CgroupSetting[] {
  return Object.entries(rdma ?? {}).map(([device, { hcaHandles, hcaObjects }]) => {
    // It stands before the limits in a line that ends at a newline. IB_DEVICE_NAME_MAX
    if (!/^[\w.:-]{1,63}$/.test(device))
      throw fail(
        "invalid_argument",
        `${JSON.stringify(device.slice(0, 100))} is not the name of an RDMA device`,
      );
    const handles = hcaHandles === undefined ? "" : ` hca_handle=${hcaHandles}`;
    const objects = hcaObjects === undefined ? "" : ` hca_object=${hcaObjects}`;
    return setting("rdma", "rdma.max", `${device}${handles}${objects}`);
  });
}

/**
 * The burst and what it may be a part of, in an order in which the kernel takes both: never more burst than quota
 * (tg_set_cfs_bandwidth in kernel/sched/core.c).
 */
export function aroundBurst(
  { cpu }: LinuxResources,
  now: CgroupValues,
  file: string,
  bandwidth: readonly CgroupSetting[],
): CgroupSetting[] {
  const burst = cpu?.burst;
  const quota = cpu?.quota ?? 0n;
  if (burst === undefined) return [...bandwidth];
  const finalQuota = quota === 0n ? (now.cpuQuota ?? -1n) : quota;
  if (finalQuota > 0n && BigInt(burst) > finalQuota)
    throw fail("invalid_argument", `the CPU burst ${burst} is more than the quota ${finalQuota}`);
  // Kernels before 5.14 have no bursts: not to allow any is what they do.
  const write = setting("cpu", file, burst, burst === 0);
  const fitsNow = (now.cpuQuota ?? -1n) < 0n || BigInt(burst) <= (now.cpuQuota ?? -1n);
  return fitsNow ? [write, ...bandwidth] : [...bandwidth, write];
}
