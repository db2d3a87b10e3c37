/** `--device`, `--gpus` and the block I/O flags. */
import { parseInteger } from "../flags.ts";
import { csvFields, fromPairs, keyValues, parseBytes } from "./values.ts";

export interface DeviceBody {
  readonly PathOnHost: string;
  readonly PathInContainer: string;
  readonly CgroupPermissions: string;
}

/** `vendor.com/class=name`: a device of the Container Device Interface, not a path. */
export function isCdiDevice(text: string): boolean {
  return /^[A-Za-z][\w.-]*[A-Za-z0-9]\/[A-Za-z][\w.-]*[A-Za-z0-9]=[\w.:-]+$/.test(text);
}

function isMode(text: string): boolean {
  return /^[rwm]{1,3}$/.test(text) && new Set(text).size === text.length;
}

export function parseDevice(text: string): DeviceBody {
  const device = deviceOf(text);
  for (const path of [device.PathOnHost, device.PathInContainer])
    if (!path.startsWith("/")) throw new Error(`${path} is not an absolute path`);
  return device;
}

function deviceOf(text: string): DeviceBody {
  const parts = text.split(":");
  const [source = "", second, third] = parts;
  if (parts.length > 3) throw new Error(`invalid device specification: ${text}`);
  if (source === "") throw new Error(`bad format for path: ${text}`);
  if (third !== undefined) {
    if (!isMode(third)) throw new Error(`bad mode specified: ${third}`);
    return { PathOnHost: source, PathInContainer: second || source, CgroupPermissions: third };
  }
  if (second !== undefined && isMode(second))
    return { PathOnHost: source, PathInContainer: source, CgroupPermissions: second };
  return { PathOnHost: source, PathInContainer: second || source, CgroupPermissions: "rwm" };
}

export interface DeviceRequestBody {
  readonly Driver: string;
  readonly Count: number;
  readonly DeviceIDs: readonly string[] | null;
  readonly Capabilities: readonly (readonly string[])[] | null;
  readonly Options: Record<string, string> | null;
}

/** All CDI devices travel as one request. */
export function cdiRequest(names: readonly string[]): DeviceRequestBody {
  return { Driver: "cdi", Count: 0, DeviceIDs: names, Capabilities: null, Options: null };
}

/** `all`, `2`, `device=0,1`, `driver=nvidia,count=2,"capabilities=compute,utility",options=a=b`. */
export function parseGpus(text: string): DeviceRequestBody {
  let driver = "";
  let count: number | undefined;
  let ids: string[] | null = null;
  const capabilities: string[] = [];
  let options: Record<string, string> = fromPairs([]);
  const seen = new Set<string>();
  for (const field of csvFields(text)) {
    const cut = field.indexOf("=");
    const key = cut < 0 ? "count" : field.slice(0, cut);
    const value = cut < 0 ? field : field.slice(cut + 1);
    if (seen.has(key)) throw new Error(`gpu request key '${key}' can be specified only once`);
    seen.add(key);
    switch (key) {
      case "driver":
        driver = value;
        break;
      case "count":
        count = parseCount(value);
        break;
      case "device":
        ids = value.split(",");
        break;
      case "capabilities":
        capabilities.push(...value.split(","));
        break;
      case "options":
        options = keyValues(csvFields(value));
        break;
      default:
        throw new Error(`unexpected key '${key}' in '${field}'`);
    }
  }
  if (!capabilities.includes("gpu")) capabilities.push("gpu");
  return {
    Driver: driver,
    Count: count ?? (ids === null ? 1 : 0),
    DeviceIDs: ids,
    Capabilities: [capabilities],
    Options: options,
  };
}

function parseCount(text: string): number {
  if (text === "all") return -1;
  if (!/^[+-]?\d{1,9}$/.test(text))
    throw new Error(
      `count must be an integer: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`,
    );
  return Number(text);
}

function splitDevice(text: string): [string, string] {
  const parts = text.split(":");
  const [path = "", value = ""] = parts;
  if (parts.length !== 2 || path === "") throw new Error(`bad format: ${text}`);
  if (!path.startsWith("/dev/")) throw new Error(`bad format for device path: ${text}`);
  return [path, value];
}

export function parseWeightDevice(text: string): { Path: string; Weight: number } {
  const [path, value] = splitDevice(text);
  const weight = /^\d{1,5}$/.test(value) ? Number(value) : Number.NaN;
  if (!(weight === 0 || (weight >= 10 && weight <= 1000)))
    throw new Error(`invalid weight for device: ${text}`);
  return { Path: path, Weight: weight };
}

export function parseBytesPerSecond(text: string): { Path: string; Rate: number } {
  const [path, value] = splitDevice(text);
  try {
    return { Path: path, Rate: parseBytes(value) };
  } catch {
    throw new Error(
      `invalid rate for device: ${text}. The correct format is <device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb`,
    );
  }
}

export function parseOperationsPerSecond(text: string): { Path: string; Rate: number } {
  const [path, value] = splitDevice(text);
  try {
    const rate = parseInteger(value);
    if (rate >= 0) return { Path: path, Rate: rate };
  } catch {
    // Not a number at all: the same message as for a negative one.
  }
  throw new Error(
    `invalid rate for device: ${text}. The correct format is <device-path>:<number>. Number must be a positive integer`,
  );
}

const ULIMITS = new Set([
  "core",
  "cpu",
  "data",
  "fsize",
  "locks",
  "memlock",
  "msgqueue",
  "nice",
  "nofile",
  "nproc",
  "rss",
  "rtprio",
  "rttime",
  "sigpending",
  "stack",
]);

/** `nofile=1024:2048`; -1 is unlimited, one number sets both. */
export function parseUlimit(text: string): { Name: string; Hard: number; Soft: number } {
  const cut = text.indexOf("=");
  if (cut < 0) throw new Error(`invalid ulimit argument: ${text}`);
  const name = text.slice(0, cut);
  const limits = text.slice(cut + 1);
  const parts = limits.split(":");
  if (!ULIMITS.has(name)) throw new Error(`invalid ulimit type: ${name}`);
  if (parts.length > 2)
    throw new Error(`too many limit value arguments - ${limits}, can only have up to two, \`soft[:hard]\``);
  const [soft = 0, hard = soft] = parts.map(decimal);
  const shown = (limit: number): string => (limit === -1 ? `${limit} (unlimited)` : String(limit));
  if (hard !== -1 && soft === -1)
    throw new Error(
      `ulimit soft limit must be less than or equal to hard limit: soft: ${shown(soft)}, hard: ${hard}`,
    );
  if (hard !== -1 && soft > hard)
    throw new Error(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
  return { Name: name, Hard: hard, Soft: soft };
}

function decimal(text: string): number {
  if (!/^[+-]?\d+$/.test(text))
    throw new Error(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  const value = Number(text);
  if (!Number.isSafeInteger(value))
    throw new Error(`strconv.ParseInt: parsing ${JSON.stringify(text)}: value out of range`);
  return value;
}
