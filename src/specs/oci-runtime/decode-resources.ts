/** `linux.resources` and `linux.intelRdt`: types and ranges. What contradicts itself is found by linux/cgroup-settings.ts. */
import { Fields } from "../engine/fields.decode.ts";
import { parseExactJson } from "../exact-json.ts";
import {
  big,
  boolean,
  child,
  childMap,
  children,
  cleanText,
  defined,
  i64,
  integer,
  integerIn,
  oneOf,
  required,
  requiredText,
  strings,
  text,
  u32,
  u64,
} from "./decode-fields.ts";
import { invalid, quoted } from "./refusal.ts";
import type {
  BlockIoResources,
  BlockIoThrottle,
  BlockIoWeight,
  CpuResources,
  HugepageLimit,
  IntelRdt,
  LinuxDeviceRule,
  LinuxResources,
  MemoryResources,
  NetworkResources,
  RdmaLimit,
} from "./resources.ts";

/** The largest integer that is exact as a number: what the kernel takes for these files is far below. */
const MOST = Number.MAX_SAFE_INTEGER;
const U64_MAX = (1n << 64n) - 1n;

/** A document that is "linux.resources" alone, as `update --resources` takes it. Throws as `decodeSpec`. */
export function decodeResourcesDocument(document: string): LinuxResources {
  return decodeResources(new Fields(parseExactJson(document), "resources"));
}

export function decodeResources(fields: Fields): LinuxResources {
  return defined({
    devices: children(fields, "devices", decodeDeviceRule),
    memory: child(fields, "memory", decodeMemory),
    cpu: child(fields, "cpu", decodeCpu),
    pids: child(fields, "pids", (pids) => ({ limit: i64(pids, "limit") ?? 0n })),
    blockIO: child(fields, "blockIO", decodeBlockIo),
    hugepageLimits: children(fields, "hugepageLimits", decodeHugepageLimit),
    network: child(fields, "network", decodeNetwork),
    rdma: childMap(fields, "rdma", decodeRdma),
    unified: fields.map("unified", cleanText) ?? undefined,
  });
}

function decodeDeviceRule(fields: Fields): LinuxDeviceRule {
  return defined({
    allow: fields.bool("allow"),
    type: fields.has("type") ? oneOf(fields, "type", ["a", "c", "b"]) : undefined,
    major: deviceNumber(fields, "major"),
    minor: deviceNumber(fields, "minor"),
    access: text(fields, "access"),
  });
}

/** -1 stands for any. */
function deviceNumber(fields: Fields, key: string): number | undefined {
  return integerIn(fields, key, -1, 0xffffffff);
}

function decodeMemory(fields: Fields): MemoryResources {
  return defined({
    limit: bytes(fields, "limit"),
    reservation: bytes(fields, "reservation"),
    swap: bytes(fields, "swap"),
    kernel: i64(fields, "kernel"),
    kernelTCP: i64(fields, "kernelTCP"),
    useHierarchy: boolean(fields, "useHierarchy"),
    swappiness: swappiness(fields),
    disableOOMKiller: boolean(fields, "disableOOMKiller"),
    checkBeforeUpdate: boolean(fields, "checkBeforeUpdate"),
  });
}

function bytes(fields: Fields, key: string): bigint | undefined {
  const value = i64(fields, key);
  if (value !== undefined && value < -1n) throw invalid(fields.at(key), `${value} is negative`);
  return value;
}

/** Docker's "-1, not set" arrives as the greatest unsigned number. */
function swappiness(fields: Fields): number | undefined {
  return big(fields, "swappiness") === U64_MAX ? undefined : integerIn(fields, "swappiness", 0, 100);
}

function decodeCpu(fields: Fields): CpuResources {
  return defined({
    shares: integerIn(fields, "shares", 0, MOST),
    quota: i64(fields, "quota"),
    burst: integerIn(fields, "burst", 0, MOST),
    period: integerIn(fields, "period", 0, MOST),
    realtimeRuntime: i64(fields, "realtimeRuntime"),
    realtimePeriod: integerIn(fields, "realtimePeriod", 0, MOST),
    cpus: text(fields, "cpus"),
    mems: text(fields, "mems"),
    idle: integerIn(fields, "idle", 0, 1),
  });
}

function decodeBlockIo(fields: Fields): BlockIoResources {
  const throttles = (key: string): BlockIoThrottle[] | undefined =>
    children(fields, key, (throttle) => ({
      ...blockDevice(throttle),
      rate: required(throttle, "rate", u64(throttle, "rate")),
    }));
  return defined({
    weight: weight(fields, "weight"),
    leafWeight: weight(fields, "leafWeight"),
    weightDevice: children(fields, "weightDevice", decodeWeightDevice),
    throttleReadBpsDevice: throttles("throttleReadBpsDevice"),
    throttleWriteBpsDevice: throttles("throttleWriteBpsDevice"),
    throttleReadIOPSDevice: throttles("throttleReadIOPSDevice"),
    throttleWriteIOPSDevice: throttles("throttleWriteIOPSDevice"),
  });
}

function decodeWeightDevice(fields: Fields): BlockIoWeight {
  const weights = defined({ weight: weight(fields, "weight"), leafWeight: weight(fields, "leafWeight") });
  if (Object.keys(weights).length === 0) throw invalid(fields.path, "has neither weight nor leafWeight");
  return { ...blockDevice(fields), ...weights };
}

function blockDevice(fields: Fields): { readonly major: number; readonly minor: number } {
  return {
    major: required(fields, "major", u32(fields, "major")),
    minor: required(fields, "minor", u32(fields, "minor")),
  };
}

/** 0 = not asked for. */
function weight(fields: Fields, key: string): number | undefined {
  const value = integer(fields, key);
  if (value !== undefined && value !== 0 && (value < 10 || value > 1000))
    throw invalid(fields.at(key), `${value} is not between 10 and 1000`);
  return value;
}

function decodeHugepageLimit(fields: Fields): HugepageLimit {
  const pageSize = requiredText(fields, "pageSize");
  if (!/^[1-9]\d{0,8}(KB|MB|GB)$/.test(pageSize))
    throw invalid(fields.at("pageSize"), `${quoted(pageSize)} is not a size like "2MB"`);
  return { pageSize, limit: required(fields, "limit", u64(fields, "limit")) };
}

function decodeNetwork(fields: Fields): NetworkResources {
  return defined({
    classID: u32(fields, "classID"),
    priorities: children(fields, "priorities", (priority) => ({
      name: requiredText(priority, "name"),
      priority: required(priority, "priority", u32(priority, "priority")),
    })),
  });
}

function decodeRdma(fields: Fields): RdmaLimit {
  const limit = defined({ hcaHandles: u32(fields, "hcaHandles"), hcaObjects: u32(fields, "hcaObjects") });
  if (Object.keys(limit).length === 0) throw invalid(fields.path, "has neither hcaHandles nor hcaObjects");
  return limit;
}

/** `schemata` is a text in version 1.2 of the specification and a list of lines since; CMT and MBM became one switch. */
export function decodeIntelRdt(fields: Fields): IntelRdt {
  const monitoring = ["enableMonitoring", "enableCMT", "enableMBM"].map((key) => boolean(fields, key));
  return defined({
    closID: text(fields, "closID"),
    l3CacheSchema: text(fields, "l3CacheSchema"),
    memBwSchema: text(fields, "memBwSchema"),
    schemata:
      typeof fields.raw("schemata") === "string"
        ? text(fields, "schemata")?.split("\n")
        : strings(fields, "schemata"),
    enableMonitoring: monitoring.every((value) => value === undefined)
      ? undefined
      : monitoring.includes(true),
  });
}
