/**
 * Resource limits as writes to control files: pure, for both cgroup versions. cgroups(7), the kernel's
 * Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst.
 */
import { fail } from "../base/errors.ts";
import type { BlockIoThrottle, LinuxResources } from "../specs/oci-runtime/spec.ts";

export interface CgroupSetting {
  /** The v1 hierarchy that has the file; of no meaning in v2. */
  readonly controller: string;
  readonly file: string;
  readonly value: string;
  /** Not every kernel has it (swap accounting, block weights): a missing file is fine. */
  readonly mayMiss: boolean;
}

/** In the order in which a fresh cgroup accepts them. Throws `invalid_argument` for what contradicts itself. */
export function cgroupSettings(version: 1 | 2, resources: LinuxResources): CgroupSetting[] {
  return version === 1 ? settingsV1(resources) : settingsV2(resources);
}

function setting(
  controller: string,
  file: string,
  value: string | number | bigint,
  mayMiss = false,
): CgroupSetting {
  return { controller, file, value: String(value), mayMiss };
}

function settingsV1(resources: LinuxResources): CgroupSetting[] {
  if (resources.unified !== undefined && Object.keys(resources.unified).length > 0)
    throw fail("invalid_argument", "unified resources need cgroup v2");
  return [
    ...memoryV1(resources),
    ...cpuV1(resources),
    ...cpuset(resources),
    ...pids(resources),
    ...blkioV1(resources),
  ];
}

function memoryV1({ memory }: LinuxResources): CgroupSetting[] {
  const settings: CgroupSetting[] = [];
  const limit = memory?.limit ?? 0n;
  // Taking away the memory limit takes away the one of memory plus swap: it could not stay below it.
  const swap = (memory?.swap ?? 0n) === 0n && limit === -1n ? -1n : (memory?.swap ?? 0n);
  // A fresh cgroup has no limits, and memory+swap may never be the smaller one: memory first.
  if (limit !== 0n) settings.push(setting("memory", "memory.limit_in_bytes", limit));
  if (swap !== 0n) settings.push(setting("memory", "memory.memsw.limit_in_bytes", swap, true));
  if ((memory?.reservation ?? 0n) !== 0n)
    settings.push(setting("memory", "memory.soft_limit_in_bytes", memory?.reservation ?? 0n));
  if (memory?.swappiness !== undefined)
    settings.push(setting("memory", "memory.swappiness", memory.swappiness));
  if (memory?.disableOOMKiller === true) settings.push(setting("memory", "memory.oom_control", 1));
  return settings;
}

function cpuV1({ cpu }: LinuxResources): CgroupSetting[] {
  const settings: CgroupSetting[] = [];
  if ((cpu?.shares ?? 0) !== 0) settings.push(setting("cpu", "cpu.shares", cpu?.shares ?? 0));
  // The period first: a quota is checked against it.
  if ((cpu?.period ?? 0) !== 0) settings.push(setting("cpu", "cpu.cfs_period_us", cpu?.period ?? 0));
  if ((cpu?.quota ?? 0n) !== 0n) settings.push(setting("cpu", "cpu.cfs_quota_us", cpu?.quota ?? 0n));
  if ((cpu?.realtimePeriod ?? 0) !== 0)
    settings.push(setting("cpu", "cpu.rt_period_us", cpu?.realtimePeriod ?? 0));
  if ((cpu?.realtimeRuntime ?? 0n) !== 0n)
    settings.push(setting("cpu", "cpu.rt_runtime_us", cpu?.realtimeRuntime ?? 0n));
  return settings;
}

function cpuset({ cpu }: LinuxResources): CgroupSetting[] {
  const settings: CgroupSetting[] = [];
  if ((cpu?.cpus ?? "") !== "") settings.push(setting("cpuset", "cpuset.cpus", cpu?.cpus ?? ""));
  if ((cpu?.mems ?? "") !== "") settings.push(setting("cpuset", "cpuset.mems", cpu?.mems ?? ""));
  return settings;
}

function pids({ pids: wish }: LinuxResources): CgroupSetting[] {
  if (wish === undefined || wish.limit === 0n) return [];
  return [setting("pids", "pids.max", wish.limit > 0n ? wish.limit : "max")];
}

function blkioV1({ blockIO }: LinuxResources): CgroupSetting[] {
  const settings: CgroupSetting[] = [];
  if ((blockIO?.weight ?? 0) !== 0) {
    // Which one exists depends on the I/O scheduler that the kernel was built with.
    settings.push(setting("blkio", "blkio.bfq.weight", blockIO?.weight ?? 0, true));
    settings.push(setting("blkio", "blkio.weight", blockIO?.weight ?? 0, true));
  }
  const throttles = (file: string, wishes: readonly BlockIoThrottle[] | undefined): void => {
    for (const { major, minor, rate } of wishes ?? [])
      settings.push(setting("blkio", `blkio.throttle.${file}`, `${major}:${minor} ${rate}`));
  };
  throttles("read_bps_device", blockIO?.throttleReadBpsDevice);
  throttles("write_bps_device", blockIO?.throttleWriteBpsDevice);
  throttles("read_iops_device", blockIO?.throttleReadIOPSDevice);
  throttles("write_iops_device", blockIO?.throttleWriteIOPSDevice);
  return settings;
}

function settingsV2(resources: LinuxResources): CgroupSetting[] {
  return [
    ...memoryV2(resources),
    ...cpuV2(resources),
    ...cpuset(resources),
    ...pids(resources),
    ...ioV2(resources),
    ...unified(resources),
  ];
}

/** Swappiness and the OOM killer's switch do not exist in v2: like runc, nothing is written for them. */
function memoryV2({ memory }: LinuxResources): CgroupSetting[] {
  const settings: CgroupSetting[] = [];
  const limit = memory?.limit ?? 0n;
  const swap = swapMaxOf(limit, memory?.swap ?? 0n);
  if (limit !== 0n) settings.push(setting("memory", "memory.max", limit === -1n ? "max" : limit));
  if (swap !== undefined) settings.push(setting("memory", "memory.swap.max", swap, true));
  if ((memory?.reservation ?? 0n) !== 0n) {
    const low = memory?.reservation ?? 0n;
    settings.push(setting("memory", "memory.low", low === -1n ? "max" : low));
  }
  return settings;
}

/** v1 limits memory plus swap, v2 swap alone. */
function swapMaxOf(limit: bigint, memoryPlusSwap: bigint): string | undefined {
  if (memoryPlusSwap === -1n || (memoryPlusSwap === 0n && limit === -1n)) return "max";
  if (memoryPlusSwap === 0n) return undefined;
  if (limit <= 0n) throw fail("invalid_argument", "cannot set a swap limit without a memory limit");
  if (memoryPlusSwap < limit)
    throw fail("invalid_argument", "the limit of memory plus swap must not be below the memory limit");
  return String(memoryPlusSwap - limit);
}

function cpuV2({ cpu }: LinuxResources): CgroupSetting[] {
  const settings: CgroupSetting[] = [];
  if ((cpu?.realtimePeriod ?? 0) !== 0 || (cpu?.realtimeRuntime ?? 0n) !== 0n)
    throw fail("invalid_argument", "realtime CPU limits need cgroup v1");
  if ((cpu?.shares ?? 0) !== 0) settings.push(setting("cpu", "cpu.weight", cpuWeight(cpu?.shares ?? 0)));
  const quota = cpu?.quota ?? 0n;
  const period = cpu?.period ?? 0;
  if (quota !== 0n || period !== 0)
    settings.push(
      setting("cpu", "cpu.max", `${quota > 0n ? quota : "max"} ${period === 0 ? 100_000 : period}`),
    );
  return settings;
}

/**
 * CPU shares (2 to 262144, usual 1024) as a weight (1 to 10000, usual 100), on the curve that maps all three points of
 * the one scale on those of the other; runc since 1.3.2 and crun since 1.23 use the same.
 */
export function cpuWeight(shares: number): number {
  if (shares <= 2) return 1;
  if (shares >= 262_144) return 10_000;
  const l = Math.log2(shares);
  return Math.ceil(10 ** ((l * l + 125 * l) / 612 - 7 / 34));
}

function ioV2({ blockIO }: LinuxResources): CgroupSetting[] {
  const settings: CgroupSetting[] = [];
  const weight = blockIO?.weight ?? 0;
  if (weight !== 0) {
    settings.push(setting("io", "io.bfq.weight", weight, true));
    // 10-1000 becomes 1-10000
    settings.push(setting("io", "io.weight", 1 + Math.trunc(((weight - 10) * 9999) / 990), true));
  }
  const throttles = (key: string, wishes: readonly BlockIoThrottle[] | undefined): void => {
    for (const { major, minor, rate } of wishes ?? [])
      settings.push(setting("io", "io.max", `${major}:${minor} ${key}=${rate}`));
  };
  throttles("rbps", blockIO?.throttleReadBpsDevice);
  throttles("wbps", blockIO?.throttleWriteBpsDevice);
  throttles("riops", blockIO?.throttleReadIOPSDevice);
  throttles("wiops", blockIO?.throttleWriteIOPSDevice);
  return settings;
}

function unified(resources: LinuxResources): CgroupSetting[] {
  return Object.entries(resources.unified ?? {}).map(([file, value]) => {
    const controller = /^([a-z]+)\.[a-z0-9_.]+$/i.exec(file)?.[1];
    if (controller === undefined || controller === "cgroup")
      throw fail("invalid_argument", `unified resource "${file}" is not the name of a controller's file`);
    return setting(controller, file, value);
  });
}
