/**
 * What systemd is told of a container's unit: pure. A fixed table: nothing of a container's annotations gets here, since a
 * property's text is code to systemd's parsers (CVE-2024-3154). systemd.resource-control(5), org.freedesktop.systemd1(5)
 *
 * Our own plan writes all limits to the cgroup as well. systemd is told of those that it knows, because it writes its own
 * idea of them again whenever it reloads.
 */
import { fail } from "../base/errors.ts";
import type { LinuxResources } from "../specs/oci-runtime/resources.ts";
import type { CgroupSetting } from "./cgroup-setting.ts";
import { cgroupSettings } from "./cgroup-settings.ts";
import { type DeviceRule, effectiveDeviceRules } from "./device-rules.ts";
import type { DBusValue, Property } from "./systemd-dbus-message.ts";

export interface ScopeOptions {
  readonly id: string;
  readonly slice: string;
  /** Who is in it from the beginning: a scope without a process is refused. */
  readonly pids: readonly number[];
  readonly cgroupVersion: 1 | 2;
  readonly resources: LinuxResources;
  readonly systemdVersion: number;
}

/** Of a new scope: what it is, and its limits. Throws `invalid_argument` like `cgroupSettings`. */
export function scopeProperties(options: ScopeOptions): Property[] {
  const { id, slice, pids, cgroupVersion, resources, systemdVersion } = options;
  const oomGroup = resources.unified?.["memory.oom.group"]?.trim();
  return [
    ["Description", text(`container ${id}`)],
    ["Slice", text(slice)],
    ["Delegate", yes],
    ["PIDs", { type: "au", value: pids }],
    ["MemoryAccounting", yes],
    ["CPUAccounting", yes],
    [cgroupVersion === 2 ? "IOAccounting" : "BlockIOAccounting", yes],
    ["TasksAccounting", yes],
    // Containers stop when their runtime says so, not at the first sign of a shutdown.
    ["DefaultDependencies", { type: "b", value: false }],
    // A failed unit does not keep its name.
    ...since(236, systemdVersion, ["CollectMode", text("inactive-or-failed")]),
    ...(oomGroup === "0" || oomGroup === "1"
      ? since(253, systemdVersion, ["OOMPolicy", text(oomGroup === "1" ? "kill" : "continue")])
      : []),
    ...deviceProperties(cgroupVersion, effectiveDeviceRules(resources.devices ?? []), systemdVersion),
    ...limitProperties(cgroupVersion, cgroupSettings(cgroupVersion, resources), systemdVersion),
  ];
}

const yes: DBusValue = { type: "b", value: true };
const text = (value: string): DBusValue => ({ type: "s", value });

function since(version: number, systemdVersion: number, property: Property): Property[] {
  return systemdVersion >= version ? [property] : [];
}

const INFINITY = (1n << 64n) - 1n;

/** Control files whose value is the property's: a number, or "max" or -1 for infinity. */
const NUMBERS: ReadonlyMap<string, string> = new Map([
  ["memory.max", "MemoryMax"],
  ["memory.high", "MemoryHigh"],
  ["memory.low", "MemoryLow"],
  ["memory.min", "MemoryMin"],
  ["memory.swap.max", "MemorySwapMax"],
  ["cpu.weight", "CPUWeight"],
  ["pids.max", "TasksMax"],
  ["memory.limit_in_bytes", "MemoryLimit"],
  ["cpu.shares", "CPUShares"],
  ["blkio.weight", "BlockIOWeight"],
]);

const LISTS: ReadonlyMap<string, string> = new Map([
  ["cpuset.cpus", "AllowedCPUs"],
  ["cpuset.mems", "AllowedMemoryNodes"],
]);

/**
 * Those of the settings that systemd knows, of a living unit as of a new one; the others are the cgroup's alone. The last
 * value of a file counts.
 */
export function limitProperties(
  cgroupVersion: 1 | 2,
  settings: readonly CgroupSetting[],
  systemdVersion: number,
): Property[] {
  const values = new Map(settings.map(({ file, value }) => [file, value.trim()]));
  // An idle group has no weight; 0 is systemd's word for it.
  const isIdle = values.get("cpu.idle") === "1" && cgroupVersion === 2;
  if (isIdle) values.delete("cpu.weight");
  return [
    ...(isIdle ? since(252, systemdVersion, ["CPUWeight", { type: "t", value: 0n }]) : []),
    ...[...values].flatMap(([file, value]): Property[] => {
      const name = NUMBERS.get(file);
      if (name !== undefined) return [[name, { type: "t", value: atLeastOne(name, numberOf(file, value)) }]];
      const list = LISTS.get(file);
      return list === undefined
        ? []
        : since(244, systemdVersion, [list, { type: "ay", value: cpuBits(value) }]);
    }),
    ...quotaProperties(values, systemdVersion),
  ];
}

function numberOf(file: string, value: string): bigint {
  if (value === "max" || value === "-1") return INFINITY;
  if (!/^\d{1,20}$/.test(value) || BigInt(value) > INFINITY)
    throw fail("invalid_argument", `${JSON.stringify(value.slice(0, 100))} cannot be the value of "${file}"`);
  return BigInt(value);
}

/** systemd takes 0 tasks for a mistake. One or none makes no difference: nobody can be started. */
function atLeastOne(name: string, value: bigint): bigint {
  return name === "TasksMax" && value === 0n ? 1n : value;
}

const DEFAULT_PERIOD_US = 100_000n;
const US_PER_S = 1_000_000n;
/** systemd keeps whole percents of a CPU. */
const US_PER_PERCENT = 10_000n;

/** In microseconds of a second, rounded up: a reload shall not take away what children were promised. */
function quotaProperties(values: ReadonlyMap<string, string>, systemdVersion: number): Property[] {
  const [quotaV2, periodV2] = values.get("cpu.max")?.split(/\s+/) ?? [];
  const quota = quotaV2 ?? values.get("cpu.cfs_quota_us");
  const period = periodV2 ?? values.get("cpu.cfs_period_us");
  if (quota === undefined && period === undefined) return [];
  const periodUs = period === undefined ? DEFAULT_PERIOD_US : numberOf("cpu.max", period);
  const quotaUs = quota === undefined ? INFINITY : numberOf("cpu.max", quota);
  if (periodUs === 0n) throw fail("invalid_argument", "a CPU period of 0 is not possible");
  const percents = (quotaUs * US_PER_S + periodUs * US_PER_PERCENT - 1n) / (periodUs * US_PER_PERCENT);
  return [
    ...(period === undefined
      ? []
      : since(242, systemdVersion, ["CPUQuotaPeriodUSec", { type: "t", value: periodUs }])),
    ["CPUQuotaPerSecUSec", { type: "t", value: quotaUs === INFINITY ? INFINITY : percents * US_PER_PERCENT }],
  ];
}

/** The kernel's own limit is CONFIG_NR_CPUS, at most 8192, and 1024 memory nodes. */
const MAX_CPUS = 8192;

/** "0-1,9" → bits, the least significant first. */
export function cpuBits(list: string): Uint8Array {
  const bits = new Uint8Array(MAX_CPUS / 8);
  let used = 0;
  for (const part of list.split(",")) {
    const [, first, last = first] = /^\s*(\d{1,4})(?:-(\d{1,4}))?\s*$/.exec(part) ?? [];
    const [from, to] = [Number(first), Number(last)];
    if (first === undefined || from > to || to >= MAX_CPUS)
      throw fail(
        "invalid_argument",
        `${JSON.stringify(list.slice(0, 100))} is not a list that systemd takes`,
      );
    for (let n = from; n <= to; n++) bits[n >> 3] = (bits[n >> 3] ?? 0) | (1 << (n & 7));
    used = Math.max(used, (to >> 3) + 1);
  }
  return bits.subarray(0, used);
}

/**
 * systemd knows permissions and no denials. v2: it may allow more than we do, since our own program has to agree as well.
 * v1: both write the same list, so that what cannot be said exactly is refused: a reload would open it.
 */
export function deviceProperties(
  cgroupVersion: 1 | 2,
  rules: readonly DeviceRule[],
  systemdVersion: number,
): Property[] {
  const [first, ...later] = rules;
  const none: Property = ["DeviceAllow", { type: "a(ss)", value: [] }];
  if (first?.allow === true) {
    if (cgroupVersion === 1 && later.some(({ allow }) => !allow))
      throw fail("invalid_argument", "systemd cannot allow all devices but some, on cgroup v1");
    return [none, ["DevicePolicy", text("auto")]];
  }
  const allowed = later.flatMap((rule): [string, string][] =>
    rule.allow ? deviceEntry(rule, cgroupVersion, systemdVersion) : [],
  );
  return [none, ["DevicePolicy", text("strict")], ["DeviceAllow", { type: "a(ss)", value: allowed }]];
}

/** "char-136" for a major number needs version 240; a minor number of any major cannot be said. */
function deviceEntry(
  { type, major, minor, access }: DeviceRule,
  cgroupVersion: 1 | 2,
  systemdVersion: number,
): [string, string][] {
  const kind = type === "b" ? "block" : "char";
  if (major === undefined && minor !== undefined) {
    if (cgroupVersion === 1)
      throw fail("invalid_argument", `systemd cannot allow ${kind} devices *:${minor} of every major number`);
    return [[`${kind}-*`, access]];
  }
  if (major === undefined) return [[`${kind}-*`, access]];
  if (minor !== undefined) return [[`/dev/${kind}/${major}:${minor}`, access]];
  return [[systemdVersion >= 240 ? `${kind}-${major}` : `${kind}-*`, access]];
}
