/** Limits as writes to the control files of cgroup v1: pure. Documentation/admin-guide/cgroup-v1, scheduler/sched-bwc.rst. */
import { fail } from "../base/errors.ts";
import type { BlockIoThrottle, LinuxResources } from "../specs/oci-runtime/resources.ts";
import {
  aroundBurst,
  type CgroupSetting,
  type CgroupValues,
  cpusetSettings,
  hugetlbSettings,
  pidsSettings,
  rdmaSettings,
  setting,
} from "./cgroup-setting.ts";

/** In the order in which a cgroup that holds `now` accepts them. */
export function settingsV1(resources: LinuxResources, now: CgroupValues): CgroupSetting[] {
  if (resources.unified !== undefined && Object.keys(resources.unified).length > 0)
    throw fail("invalid_argument", "unified resources need cgroup v2");
  return [
    ...memory(resources, now),
    ...cpu(resources, now),
    ...cpusetSettings(resources),
    ...pidsSettings(resources),
    ...blkio(resources),
    ...hugetlbSettings(resources, "limit_in_bytes"),
    ...network(resources),
    ...rdmaSettings(resources),
  ];
}

function memory({ memory: wish }: LinuxResources, now: CgroupValues): CgroupSetting[] {
  const settings = memoryAndSwap(wish ?? {}, now);
  if ((wish?.reservation ?? 0n) !== 0n)
    settings.push(setting("memory", "memory.soft_limit_in_bytes", wish?.reservation ?? 0n));
  if (wish?.swappiness !== undefined) settings.push(setting("memory", "memory.swappiness", wish.swappiness));
  if (wish?.disableOOMKiller === true) settings.push(setting("memory", "memory.oom_control", 1));
  return settings;
}

/** The limit of memory plus swap may never be the smaller one, also not between two writes. */
function memoryAndSwap(wish: NonNullable<LinuxResources["memory"]>, now: CgroupValues): CgroupSetting[] {
  const limit = wish.limit ?? 0n;
  // Taking away the memory limit takes away the one of memory plus swap: it could not stay below it.
  const swap = (wish.swap ?? 0n) === 0n && limit === -1n ? -1n : (wish.swap ?? 0n);
  if (limit !== 0n && swap !== 0n && exceeds(limit, swap))
    throw fail("invalid_argument", "the limit of memory plus swap must not be below the memory limit");
  const memoryWrite = limit === 0n ? [] : [setting("memory", "memory.limit_in_bytes", limit)];
  // Without the file the kernel does not account swap, or has none to limit.
  const swapWrite = swap === 0n ? [] : [setting("memory", "memory.memsw.limit_in_bytes", swap, true)];
  return limit !== 0n && now.swapLimit !== undefined && exceeds(limit, now.swapLimit)
    ? [...swapWrite, ...memoryWrite]
    : [...memoryWrite, ...swapWrite];
}

function exceeds(limit: bigint, other: bigint): boolean {
  return other >= 0n && (limit < 0n || limit > other);
}

const MIN_SHARES = 2;
const MAX_SHARES = 262_144;

function cpu(resources: LinuxResources, now: CgroupValues): CgroupSetting[] {
  const wish = resources.cpu ?? {};
  return [
    ...shares(wish),
    ...aroundBurst(resources, now, "cpu.cfs_burst_us", cfs(wish, now)),
    ...realtime(wish, now),
    // After the shares: an idle group takes none.
    ...(wish.idle === 1 ? [setting("cpu", "cpu.idle", 1)] : []),
  ];
}

/** The kernel would take what is out of range for the nearest value. Texts as runc's, which reads it back. */
function shares({ shares: wish = 0, idle }: NonNullable<LinuxResources["cpu"]>): CgroupSetting[] {
  if (wish !== 0 && wish < MIN_SHARES)
    throw fail("invalid_argument", `the minimum allowed cpu-shares is ${MIN_SHARES}`);
  if (wish > MAX_SHARES) throw fail("invalid_argument", `the maximum allowed cpu-shares is ${MAX_SHARES}`);
  return [
    ...(idle === 0 ? [setting("cpu", "cpu.idle", 0, true)] : []),
    ...(wish === 0 || idle === 1 ? [] : [setting("cpu", "cpu.shares", wish)]),
  ];
}

/** Never a greater part of the CPU than the parent has, also not between two writes. */
function cfs(wish: NonNullable<LinuxResources["cpu"]>, now: CgroupValues): CgroupSetting[] {
  const period = wish.period ?? 0;
  const quota = wish.quota ?? 0n;
  const periodWrite = period === 0 ? [] : [setting("cpu", "cpu.cfs_period_us", period)];
  const quotaWrite = quota === 0n ? [] : [setting("cpu", "cpu.cfs_quota_us", quota)];
  const isShorter = period !== 0 && period < (now.cpuPeriod ?? 0) && (now.cpuQuota ?? -1n) > 0n;
  return isShorter ? [...quotaWrite, ...periodWrite] : [...periodWrite, ...quotaWrite];
}

function realtime(wish: NonNullable<LinuxResources["cpu"]>, now: CgroupValues): CgroupSetting[] {
  const period = wish.realtimePeriod ?? 0;
  const runtime = wish.realtimeRuntime ?? 0n;
  const periodWrite = period === 0 ? [] : [setting("cpu", "cpu.rt_period_us", period)];
  const runtimeWrite = runtime === 0n ? [] : [setting("cpu", "cpu.rt_runtime_us", runtime)];
  // The runtime is at most the period, and the parent's part of it.
  return period !== 0 && period < (now.realtimePeriod ?? 0)
    ? [...runtimeWrite, ...periodWrite]
    : [...periodWrite, ...runtimeWrite];
}

function blkio({ blockIO }: LinuxResources): CgroupSetting[] {
  // Which one exists depends on the I/O scheduler that the kernel was built with.
  const weight = (suffix: string, value: string | number): CgroupSetting[] =>
    [`blkio.bfq.weight${suffix}`, `blkio.weight${suffix}`].map((file) => ({
      ...setting("blkio", file, value, true),
      oneOf: `weight${suffix}`,
    }));
  const throttles = (file: string, wishes: readonly BlockIoThrottle[] | undefined): CgroupSetting[] =>
    (wishes ?? []).map(({ major, minor, rate }) =>
      setting("blkio", `blkio.throttle.${file}`, `${major}:${minor} ${rate}`),
    );
  return [
    ...((blockIO?.weight ?? 0) === 0 ? [] : weight("", blockIO?.weight ?? 0)),
    ...((blockIO?.leafWeight ?? 0) === 0
      ? []
      : [setting("blkio", "blkio.leaf_weight", blockIO?.leafWeight ?? 0)]),
    ...(blockIO?.weightDevice ?? []).flatMap((device) => [
      ...((device.weight ?? 0) === 0
        ? []
        : weight("_device", `${device.major}:${device.minor} ${device.weight}`)),
      ...((device.leafWeight ?? 0) === 0
        ? []
        : [
            setting(
              "blkio",
              "blkio.leaf_weight_device",
              `${device.major}:${device.minor} ${device.leafWeight}`,
            ),
          ]),
    ]),
    ...throttles("read_bps_device", blockIO?.throttleReadBpsDevice),
    ...throttles("write_bps_device", blockIO?.throttleWriteBpsDevice),
    ...throttles("read_iops_device", blockIO?.throttleReadIOPSDevice),
    ...throttles("write_iops_device", blockIO?.throttleWriteIOPSDevice),
  ];
}

function network({ network: wish }: LinuxResources): CgroupSetting[] {
  const priorities = (wish?.priorities ?? []).map(({ name, priority }) => {
    if (!/^[^\s/:\0]{1,15}$/.test(name))
      throw fail(
        "invalid_argument",
        `${JSON.stringify(name.slice(0, 100))} is not the name of a network link`,
      );
    return setting("net_prio", "net_prio.ifpriomap", `${name} ${priority}`);
  });
  const classId = wish?.classID ?? 0;
  return [...(classId === 0 ? [] : [setting("net_cls", "net_cls.classid", classId)]), ...priorities];
}
