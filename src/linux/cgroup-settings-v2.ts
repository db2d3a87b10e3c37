/**
 * Limits as writes to the control files of cgroup v2: pure. The specification speaks of v1; its values are converted on
 * the scales that runc uses. Documentation/admin-guide/cgroup-v2.rst
 */
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
export function settingsV2(resources: LinuxResources, now: CgroupValues): CgroupSetting[] {
  const { network } = resources;
  if ((network?.classID ?? 0) !== 0 || (network?.priorities ?? []).length > 0)
    throw fail("invalid_argument", "network resources need cgroup v1");
  return [
    ...memory(resources, now),
    ...cpu(resources, now),
    ...cpusetSettings(resources),
    ...pidsSettings(resources),
    ...io(resources),
    ...hugetlbSettings(resources, "max"),
    ...rdmaSettings(resources),
    ...unified(resources),
  ];
}

/** Swappiness and the OOM killer's switch do not exist in v2: like runc, nothing is written for them. */
function memory({ memory: wish }: LinuxResources, now: CgroupValues): CgroupSetting[] {
  const limit = wish?.limit ?? 0n;
  const reservation = wish?.reservation ?? 0n;
  if (wish?.checkBeforeUpdate === true) checkUsage(limit, wish.swap ?? 0n, now);
  const swap = swapMax(limit, wish?.swap ?? 0n, now);
  return [
    // Swap first: what a lower memory limit drives out may need it. Without the file there is no swap to be limited.
    ...(swap === undefined ? [] : [setting("memory", "memory.swap.max", orMax(swap), true)]),
    ...(limit === 0n ? [] : [setting("memory", "memory.max", orMax(limit))]),
    ...(reservation === 0n ? [] : [setting("memory", "memory.low", orMax(reservation))]),
  ];
}

function orMax(limit: bigint): bigint | "max" {
  return limit < 0n ? "max" : limit;
}

/** v1 refuses a limit below the usage; v2 would kill. */
function checkUsage(limit: bigint, memoryPlusSwap: bigint, { memoryUsage: usage }: CgroupValues): void {
  if (usage === undefined) return;
  if (memoryPlusSwap > 0n && memoryPlusSwap <= usage)
    throw fail("invalid_argument", `rejecting memory+swap limit ${memoryPlusSwap} <= usage ${usage}`);
  if (limit > 0n && limit <= usage)
    throw fail("invalid_argument", `rejecting memory limit ${limit} <= usage ${usage}`);
}

/** v1 limits memory plus swap, v2 swap alone. Undefined: it stays as it is. */
function swapMax(limit: bigint, memoryPlusSwap: bigint, now: CgroupValues): bigint | undefined {
  if (memoryPlusSwap < 0n || (memoryPlusSwap === 0n && limit < 0n)) return -1n;
  const memoryLimit = limit === 0n ? (now.memoryLimit ?? -1n) : limit;
  if (memoryPlusSwap > 0n) {
    if (limit < 0n) return memoryPlusSwap;
    if (memoryLimit < 0n) throw fail("invalid_argument", "cannot set a swap limit without a memory limit");
    return swapOf(memoryPlusSwap, memoryLimit);
  }
  // A new memory limit leaves the one of both together, as v1 does.
  const { memoryLimit: before = -1n, swapLimit = -1n } = now;
  return limit > 0n && before >= 0n && swapLimit >= 0n ? swapOf(before + swapLimit, limit) : undefined;
}

function swapOf(memoryPlusSwap: bigint, memoryLimit: bigint): bigint {
  if (memoryPlusSwap < memoryLimit)
    throw fail("invalid_argument", "the limit of memory plus swap must not be below the memory limit");
  return memoryPlusSwap - memoryLimit;
}

const DEFAULT_PERIOD_US = 100_000;

function cpu(resources: LinuxResources, now: CgroupValues): CgroupSetting[] {
  const wish = resources.cpu ?? {};
  if ((wish.realtimePeriod ?? 0) !== 0 || (wish.realtimeRuntime ?? 0n) !== 0n)
    throw fail("invalid_argument", "realtime CPU limits need cgroup v1");
  const shares = wish.shares ?? 0;
  return [
    // An idle group takes no weight, and one that is woken gets the usual one.
    ...(wish.idle === 0 ? [setting("cpu", "cpu.idle", 0, true)] : []),
    ...(shares === 0 || wish.idle === 1 ? [] : [setting("cpu", "cpu.weight", cpuWeight(shares))]),
    ...(wish.idle === 1 ? [setting("cpu", "cpu.idle", 1)] : []),
    ...aroundBurst(resources, now, "cpu.max.burst", cpuMax(wish, now)),
  ];
}

/** Both stand in one file: what is not asked for stays as it is. */
function cpuMax(wish: NonNullable<LinuxResources["cpu"]>, now: CgroupValues): CgroupSetting[] {
  if ((wish.quota ?? 0n) === 0n && (wish.period ?? 0) === 0) return [];
  const quota = wish.quota === undefined || wish.quota === 0n ? (now.cpuQuota ?? -1n) : wish.quota;
  const period =
    wish.period === undefined || wish.period === 0 ? (now.cpuPeriod ?? DEFAULT_PERIOD_US) : wish.period;
  return [setting("cpu", "cpu.max", `${orMax(quota)} ${period}`)];
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

/** 10 to 1000 becomes 1 to 10000. */
export function ioWeight(weight: number): number {
  return 1 + Math.trunc(((weight - 10) * 9999) / 990);
}

function io({ blockIO }: LinuxResources): CgroupSetting[] {
  const leaf = [blockIO, ...(blockIO?.weightDevice ?? [])].some((wish) => (wish?.leafWeight ?? 0) !== 0);
  if (leaf) throw fail("invalid_argument", "leaf weights of block I/O need cgroup v1");
  const throttles = (key: string, wishes: readonly BlockIoThrottle[] | undefined): CgroupSetting[] =>
    (wishes ?? []).map(({ major, minor, rate }) =>
      setting("io", "io.max", `${major}:${minor} ${key}=${rate === 0n ? "max" : rate}`),
    );
  return [
    ...weights(blockIO?.weight ?? 0, ""),
    ...(blockIO?.weightDevice ?? []).flatMap(({ major, minor, weight }) =>
      weights(weight ?? 0, `${major}:${minor} `),
    ),
    ...throttles("rbps", blockIO?.throttleReadBpsDevice),
    ...throttles("wbps", blockIO?.throttleWriteBpsDevice),
    ...throttles("riops", blockIO?.throttleReadIOPSDevice),
    ...throttles("wiops", blockIO?.throttleWriteIOPSDevice),
  ];
}

/** The BFQ scheduler and the io.cost controller have a file each; a kernel has none, one or both of them. */
function weights(weight: number, device: string): CgroupSetting[] {
  if (weight === 0) return [];
  return [
    { ...setting("io", "io.bfq.weight", `${device}${weight}`, true), oneOf: "weight" },
    { ...setting("io", "io.weight", `${device}${ioWeight(weight)}`, true), oneOf: "weight" },
  ];
}

/** Of the core's own files those that are limits; the others move, kill or reshape. */
const CORE_LIMITS: ReadonlySet<string> = new Set([
  "cgroup.max.depth",
  "cgroup.max.descendants",
  "cgroup.pressure",
]);

/** The kernel takes one line a write. */
function unified(resources: LinuxResources): CgroupSetting[] {
  return Object.entries(resources.unified ?? {}).flatMap(([file, value]) => {
    const controller = /^([a-z_]+)\.[a-z0-9_.]+$/i.exec(file)?.[1];
    if (controller === undefined || (controller === "cgroup" && !CORE_LIMITS.has(file)))
      throw fail(
        "invalid_argument",
        `unified resource ${JSON.stringify(file.slice(0, 100))} is not the name of a controller's file`,
      );
    const lines = value.split("\n").filter((line) => line.trim() !== "");
    return (lines.length === 0 ? [value] : lines).map((line) => setting(controller, file, line));
  });
}
