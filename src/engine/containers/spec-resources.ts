/** Limits and devices of a container, from Docker's flags. */
import { fail } from "../../base/errors.ts";
import type { DeviceNumber, ResolvedDevices } from "../../linux/device-nodes.ts";
import type { Limits } from "./update-resources.ts";
import type { HostConfig, Resources, ThrottleDevice } from "../../specs/engine/container.ts";
import type { BlockIoThrottle, LinuxDeviceRule, LinuxResources } from "../../specs/oci-runtime/resources.ts";
import type { LinuxDevice } from "../../specs/oci-runtime/spec.ts";

const CPU_PERIOD_US = 100_000;

/** The part that `update` can change later, too: no devices. */
export function buildLimits(host: Resources, devices: ResolvedDevices | undefined): LinuxResources {
  return {
    memory: memoryLimits(host),
    cpu: cpuLimits(host),
    ...(host.PidsLimit === null || host.PidsLimit === 0 ? {} : { pids: { limit: BigInt(host.PidsLimit) } }),
    blockIO: blockIoLimits(host, devices),
  };
}

/** Zero is "not asked for" everywhere. -1 for memory plus swap is what a fresh cgroup has anyway. */
function memoryLimits(host: Resources): NonNullable<LinuxResources["memory"]> {
  const swap = host.MemorySwap === 0 && host.Memory > 0 ? host.Memory * 2 : host.MemorySwap;
  const swappiness = host.MemorySwappiness ?? -1;
  return {
    ...(host.Memory > 0 ? { limit: BigInt(host.Memory) } : {}),
    ...(host.MemoryReservation > 0 ? { reservation: BigInt(host.MemoryReservation) } : {}),
    ...(swap > 0 ? { swap: BigInt(swap) } : {}),
    ...(swappiness >= 0 ? { swappiness } : {}),
    ...(host.OomKillDisable === true ? { disableOOMKiller: true } : {}),
  };
}

/** Those that can be changed later. */
export function cpuLimits(host: Limits): NonNullable<LinuxResources["cpu"]> {
  if (host.CpuShares < 0) throw fail("invalid_argument", "shares: invalid argument");
  const fromCpus = host.NanoCpus > 0 ? Math.trunc((host.NanoCpus * CPU_PERIOD_US) / 1e9) : 0;
  const quota = fromCpus === 0 ? host.CpuQuota : fromCpus;
  const period = fromCpus === 0 ? host.CpuPeriod : CPU_PERIOD_US;
  return {
    ...(host.CpuShares === 0 ? {} : { shares: host.CpuShares }),
    ...(quota === 0 ? {} : { quota: BigInt(quota) }),
    ...(period === 0 ? {} : { period }),
    ...(host.CpusetCpus === "" ? {} : { cpus: host.CpusetCpus }),
    ...(host.CpusetMems === "" ? {} : { mems: host.CpusetMems }),
    ...(host.CpuRealtimeRuntime === 0 ? {} : { realtimeRuntime: BigInt(host.CpuRealtimeRuntime) }),
    ...(host.CpuRealtimePeriod === 0 ? {} : { realtimePeriod: host.CpuRealtimePeriod }),
  };
}

function blockIoLimits(
  host: Resources,
  devices: ResolvedDevices | undefined,
): NonNullable<LinuxResources["blockIO"]> {
  const numberOf = (path: string): DeviceNumber => {
    const number = devices?.numbers.get(path);
    if (number === undefined) throw fail("internal", `device "${path}" was not looked up`);
    return number;
  };
  const throttles = (list: readonly ThrottleDevice[] | null): BlockIoThrottle[] =>
    (list ?? []).map(({ Path, Rate }) => ({ ...numberOf(Path), rate: BigInt(Rate) }));
  const weights = (host.BlkioWeightDevice ?? []).map(({ Path, Weight }) => ({
    ...numberOf(Path),
    weight: Weight,
  }));
  return {
    ...(host.BlkioWeight === 0 ? {} : { weight: host.BlkioWeight }),
    ...(weights.length === 0 ? {} : { weightDevice: weights }),
    throttleReadBpsDevice: throttles(host.BlkioDeviceReadBps),
    throttleWriteBpsDevice: throttles(host.BlkioDeviceWriteBps),
    throttleReadIOPSDevice: throttles(host.BlkioDeviceReadIOps),
    throttleWriteIOPSDevice: throttles(host.BlkioDeviceWriteIOps),
  };
}

/** Everything is denied, but: zero, null, urandom, random, tty, console. FUSE is denied by name, as Docker does. */
const DEFAULT_RULES: readonly LinuxDeviceRule[] = [
  { allow: false, access: "rwm" },
  ...(
    [
      [1, 5],
      [1, 3],
      [1, 9],
      [1, 8],
      [5, 0],
      [5, 1],
    ] as const
  ).map(([major, minor]) => ({ allow: true, type: "c", major, minor, access: "rwm" }) as const),
  { allow: false, type: "c", major: 10, minor: 229, access: "rwm" },
];

export interface DeviceAccess {
  /** Beyond those that every container has. */
  readonly nodes: readonly LinuxDevice[];
  readonly rules: readonly LinuxDeviceRule[];
}

export function buildDevices(host: HostConfig, devices: ResolvedDevices | undefined): DeviceAccess {
  if (devices === undefined && (host.Privileged || (host.Devices ?? []).length > 0))
    throw fail("internal", "the container's devices were not looked up");
  const mapped = devices?.mapped ?? [];
  if (host.Privileged) {
    const renamed = mapped.map(({ node }) => node);
    const taken = new Set(renamed.map(({ path }) => path));
    const others = (devices?.all ?? []).filter(({ path }) => !taken.has(path));
    return { nodes: [...others, ...renamed], rules: [{ allow: true, access: "rwm" }] };
  }
  return {
    nodes: mapped.map(({ node }) => node),
    rules: [
      ...DEFAULT_RULES,
      ...mapped.map(({ node, access }) => allowNode(node, access)),
      ...(host.DeviceCgroupRules ?? []).map(parseDeviceRule),
    ],
  };
}

function allowNode({ type, major, minor }: LinuxDevice, access: string): LinuxDeviceRule {
  const numbers = { ...(major === undefined ? {} : { major }), ...(minor === undefined ? {} : { minor }) };
  return { allow: true, type: type === "b" ? "b" : "c", ...numbers, access: checkAccess(access) };
}

function checkAccess(access: string): string {
  if (!/^[rwm]{1,3}$/.test(access) || new Set(access).size < access.length)
    throw fail("invalid_argument", `bad mode specified: ${access.slice(0, 40)}`);
  return access;
}

/** "c 42:* rwm". Throws `invalid_argument`. */
function parseDeviceRule(text: string): LinuxDeviceRule {
  const match = /^([acb]) (\d{1,10}|\*):(\d{1,10}|\*) ([rwm]{1,3})$/.exec(text);
  const [, type, major, minor, access] = match ?? [];
  if ((type !== "a" && type !== "c" && type !== "b") || access === undefined)
    throw fail("invalid_argument", `invalid device cgroup rule format: '${text.slice(0, 100)}'`);
  return {
    allow: true,
    type,
    ...(major === "*" ? {} : { major: Number(major) }),
    ...(minor === "*" ? {} : { minor: Number(minor) }),
    access,
  };
}
