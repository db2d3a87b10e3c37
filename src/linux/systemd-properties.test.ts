import { describe, expect, test } from "bun:test";
import type { LinuxResources } from "../specs/oci-runtime/resources.ts";
import { cgroupSettings } from "./cgroup-settings.ts";
import { effectiveDeviceRules } from "./device-rules.ts";
import type { Property } from "./systemd-dbus-message.ts";
import { cpuBits, deviceProperties, limitProperties, scopeProperties } from "./systemd-properties.ts";

const values = (properties: readonly Property[]): Record<string, unknown> =>
  Object.fromEntries(
    properties.map(([name, { value }]) => [name, value instanceof Uint8Array ? [...value] : value]),
  );

const limits = (version: 1 | 2, resources: LinuxResources, systemd = 255): Record<string, unknown> =>
  values(limitProperties(version, cgroupSettings(version, resources), systemd));

const MAX = (1n << 64n) - 1n;

describe("limitProperties()", () => {
  test.each<[string, 1 | 2, LinuxResources, Record<string, unknown>]>([
    [
      "memory",
      2,
      { memory: { limit: 100n, swap: 300n, reservation: 50n } },
      { MemoryMax: 100n, MemorySwapMax: 200n, MemoryLow: 50n },
    ],
    ["no memory limit", 2, { memory: { limit: -1n } }, { MemoryMax: MAX, MemorySwapMax: MAX }],
    ["memory", 1, { memory: { limit: 100n, swap: 300n } }, { MemoryLimit: 100n }],
    ["no memory limit", 1, { memory: { limit: -1n } }, { MemoryLimit: MAX }],
    ["shares", 2, { cpu: { shares: 1024 } }, { CPUWeight: 100n }],
    ["shares", 1, { cpu: { shares: 1024 } }, { CPUShares: 1024n }],
    ["idle", 2, { cpu: { idle: 1, shares: 1024 } }, { CPUWeight: 0n }],
    [
      "a quota",
      2,
      { cpu: { quota: 50000n, period: 100000 } },
      { CPUQuotaPeriodUSec: 100000n, CPUQuotaPerSecUSec: 500000n },
    ],
    [
      "part of a percent, rounded up",
      1,
      { cpu: { quota: 1001n, period: 100000 } },
      { CPUQuotaPeriodUSec: 100000n, CPUQuotaPerSecUSec: 20000n },
    ],
    ["a quota alone", 1, { cpu: { quota: 150000n } }, { CPUQuotaPerSecUSec: 1500000n }],
    ["no quota", 1, { cpu: { quota: -1n } }, { CPUQuotaPerSecUSec: MAX }],
    [
      "a period alone",
      2,
      { cpu: { period: 50000 } },
      { CPUQuotaPeriodUSec: 50000n, CPUQuotaPerSecUSec: MAX },
    ],
    ["CPUs", 2, { cpu: { cpus: "0-1,9", mems: "0" } }, { AllowedCPUs: [3, 2], AllowedMemoryNodes: [1] }],
    ["processes", 2, { pids: { limit: 5n } }, { TasksMax: 5n }],
    ["any number of processes", 1, { pids: { limit: -1n } }, { TasksMax: MAX }],
    [
      "unified settings, the later one",
      2,
      { pids: { limit: 5n }, unified: { "pids.max": "0", "memory.high": "max", "memory.min": " 7 " } },
      { TasksMax: 1n, MemoryHigh: MAX, MemoryMin: 7n },
    ],
    ["a unified quota", 2, { unified: { "cpu.max": "20000" } }, { CPUQuotaPerSecUSec: 200000n }],
    ["I/O weights", 1, { blockIO: { weight: 500 } }, { BlockIOWeight: 500n }],
    [
      "what systemd does not know",
      2,
      { unified: { "misc.max": "a 1" }, hugepageLimits: [{ pageSize: "2MB", limit: 1n }] },
      {},
    ],
  ])("of %s in v%i", (_, version, resources, expected) => {
    expect(limits(version, resources)).toEqual(expected);
  });

  test("leave out what an old systemd does not know", () => {
    const resources = { cpu: { cpus: "0", quota: 5000n, period: 50000, idle: 1 } };
    expect(limits(2, resources, 239)).toEqual({ CPUQuotaPerSecUSec: 100000n });
  });

  test.each([
    [{ unified: { "memory.high": "1;reboot" } }, 'cannot be the value of "memory.high"'],
    [{ unified: { "memory.high": "18446744073709551616" } }, "cannot be the value"],
    [{ unified: { "cpu.max": "5 0" } }, "period of 0"],
    [{ unified: { "cpu.max": "-5 10" } }, "cannot be the value"],
    [{ cpu: { cpus: "0-10:2/4" } }, "not a list that systemd takes"],
  ])("refuse %j", (resources, message) => {
    expect(() => limits(2, resources)).toThrow(message);
  });
});

test.each([
  ["0", [1]],
  ["7", [128]],
  ["8", [0, 1]],
  ["0-15", [255, 255]],
  [" 1 , 3-4 ", [26]],
])("cpuBits(%j)", (list, expected) => {
  expect([...cpuBits(list)]).toEqual(expected);
});

test.each(["", "x", "3-1", "9999", "1-", "-1"])("cpuBits(%j) is refused", (list) => {
  expect(() => cpuBits(list)).toThrow("not a list");
});

describe("deviceProperties()", () => {
  const devices = (
    version: 1 | 2,
    rules: NonNullable<LinuxResources["devices"]>,
    systemd = 255,
  ): Record<string, unknown> => values(deviceProperties(version, effectiveDeviceRules(rules), systemd));

  test("are strict, and first take back what was allowed before", () => {
    const properties = deviceProperties(2, effectiveDeviceRules([]), 255);
    expect(properties.map(([name]) => name)).toEqual(["DeviceAllow", "DevicePolicy", "DeviceAllow"]);
    expect(properties[0]?.[1].value).toEqual([]);
    expect(properties[1]?.[1].value).toBe("strict");
    expect(properties[2]?.[1].value).toContainEqual(["/dev/char/1:3", "rwm"]);
    expect(properties[2]?.[1].value).toContainEqual(["char-136", "rwm"]);
    expect(properties[2]?.[1].value).toContainEqual(["block-*", "m"]);
  });

  test("allow all", () => {
    expect(devices(1, [{ allow: true }])).toEqual({ DeviceAllow: [], DevicePolicy: "auto" });
  });

  test("may allow more than our own program in v2, but are exact in v1", () => {
    const any = [{ allow: true, type: "c", minor: 5, access: "r" }] as const;
    expect(devices(2, any)["DeviceAllow"]).toContainEqual(["char-*", "r"]);
    expect(() => devices(1, any)).toThrow("of every major number");
    const but = [{ allow: true }, { allow: false, type: "b", major: 8, minor: 0 }] as const;
    expect(devices(2, but)).toEqual({ DeviceAllow: [], DevicePolicy: "auto" });
    expect(() => devices(1, but)).toThrow("all devices but some");
  });

  test("name a major number as an old systemd can", () => {
    expect(devices(2, [], 239)["DeviceAllow"]).toContainEqual(["char-*", "rwm"]);
  });
});

test("scopeProperties() delegate a scope with its first process", () => {
  const options = { id: "c1", slice: "a.slice", pids: [77], cgroupVersion: 2, systemdVersion: 255 } as const;
  expect(
    values(scopeProperties({ ...options, resources: { unified: { "memory.oom.group": "1" } } })),
  ).toMatchObject({
    Slice: "a.slice",
    Delegate: true,
    PIDs: [77],
    IOAccounting: true,
    DefaultDependencies: false,
    CollectMode: "inactive-or-failed",
    OOMPolicy: "kill",
    DevicePolicy: "strict",
  });
  const old = values(scopeProperties({ ...options, cgroupVersion: 1, systemdVersion: 230, resources: {} }));
  expect(old["BlockIOAccounting"]).toBe(true);
  expect(Object.keys(old)).not.toContain("CollectMode");
});
