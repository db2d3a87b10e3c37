/**
 * New limits for a living cgroup: read what it holds, decide (cgroup-settings.ts), write. `dirs` are its directories: one
 * on cgroup v2, one for each hierarchy on v1; the files that a directory has tell which it is.
 */
import { access, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, fail, messageOf } from "../base/errors.ts";
import type { LinuxResources } from "../specs/oci-runtime/resources.ts";
import { readControlFile } from "./cgroup-file.ts";
import type { CgroupSetting, CgroupValues } from "./cgroup-setting.ts";
import { cgroupUpdate } from "./cgroup-settings.ts";

/**
 * Sets what `resources` asks for and leaves the rest. When a write fails, those before it are taken back as far as the
 * kernel lets us. Throws `invalid_argument` for what cannot be, before anything is written, or for what the kernel refuses;
 * `not_found` when the cgroup is gone. Devices are not touched: runc's update leaves them, too.
 */
export async function updateCgroup(dirs: readonly string[], resources: LinuxResources): Promise<void> {
  const version = await cgroupVersion(dirs);
  await applySettings(dirs, cgroupUpdate(version, resources, await readCgroupValues(dirs)));
}

/** Throws `not_found` when the cgroup is gone. */
export async function cgroupVersion(dirs: readonly string[]): Promise<1 | 2> {
  if ((await readControlFile(dirs, "cgroup.controllers")) !== undefined) return 2;
  if ((await readControlFile(dirs, "cgroup.procs")) !== undefined) return 1;
  throw fail("not_found", `the cgroup "${dirs[0] ?? ""}" does not exist`);
}

export async function readCgroupValues(dirs: readonly string[]): Promise<CgroupValues> {
  return (await cgroupVersion(dirs)) === 2 ? valuesV2(dirs) : valuesV1(dirs);
}

async function valuesV1(dirs: readonly string[]): Promise<CgroupValues> {
  const [limit, swap, usage, quota, period, burst, realtime] = await Promise.all(
    [
      "memory.limit_in_bytes",
      "memory.memsw.limit_in_bytes",
      "memory.usage_in_bytes",
      "cpu.cfs_quota_us",
      "cpu.cfs_period_us",
      "cpu.cfs_burst_us",
      "cpu.rt_period_us",
    ].map(async (file) => numberIn(await readControlFile(dirs, file))),
  );
  return known({
    memoryLimit: unlimitedV1(limit),
    swapLimit: unlimitedV1(swap),
    memoryUsage: usage,
    cpuQuota: quota,
    cpuPeriod: toNumber(period),
    cpuBurst: toNumber(burst),
    realtimePeriod: toNumber(realtime),
  });
}

async function valuesV2(dirs: readonly string[]): Promise<CgroupValues> {
  const [limit, swap, usage, burst] = await Promise.all(
    ["memory.max", "memory.swap.max", "memory.current", "cpu.max.burst"].map(async (file) =>
      numberIn(await readControlFile(dirs, file)),
    ),
  );
  const [quota, period] = (await readControlFile(dirs, "cpu.max"))?.trim().split(" ") ?? [];
  return known({
    memoryLimit: limit,
    swapLimit: swap,
    memoryUsage: usage,
    cpuQuota: numberIn(quota),
    cpuPeriod: toNumber(numberIn(period)),
    cpuBurst: toNumber(burst),
  });
}

/** v1's "no limit" is the greatest number of whole pages that fits; nothing real comes near. */
function unlimitedV1(value: bigint | undefined): bigint | undefined {
  return value !== undefined && value >= 1n << 62n ? -1n : value;
}

function numberIn(text: string | undefined): bigint | undefined {
  const word = text?.trim();
  if (word === "max") return -1n;
  return word !== undefined && /^-?\d{1,20}$/.test(word) ? BigInt(word) : undefined;
}

function toNumber(value: bigint | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}

type Optional<T> = { readonly [K in keyof T]: T[K] | undefined };

function known(values: Optional<CgroupValues>): CgroupValues {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

/** What a file had in it. */
export interface WasThere {
  readonly path: string;
  readonly value: string;
}

/** Writes in the order given; returns what was there, for `takeBack`. Throws as `updateCgroup`; the error names the file. */
export async function applySettings(
  dirs: readonly string[],
  settings: readonly CgroupSetting[],
): Promise<readonly WasThere[]> {
  const undo: WasThere[] = [];
  const served = new Set<string>();
  try {
    for (const setting of settings) {
      const found = await findFile(dirs, setting.file);
      if (found === undefined) {
        if (!setting.mayMiss) throw missing(dirs, setting);
        continue;
      }
      if (setting.oneOf !== undefined) served.add(setting.oneOf);
      await write(found.path, setting.value, dirs);
      // Others are lists with a key, of which one line would say only a part.
      if (/^(max|-?\d+)( \d+)?$/.test(found.text.trim()))
        undo.push({ path: found.path, value: found.text.trim() });
    }
    const unserved = settings.find(({ oneOf }) => oneOf !== undefined && !served.has(oneOf));
    if (unserved !== undefined) throw missing(dirs, unserved);
    return undo;
  } catch (error) {
    await takeBack(undo, error);
    throw error;
  }
}

function missing(dirs: readonly string[], { file, controller }: CgroupSetting): Error {
  return fail(
    "invalid_argument",
    `cannot set "${file}" in "${dirs[0] ?? ""}": the kernel or the ${controller} cgroup does not have it`,
  );
}

async function write(path: string, value: string, dirs: readonly string[]): Promise<void> {
  try {
    await writeFile(path, value, { flag: "r+" });
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === "EBUSY" && path.endsWith("/memory.limit_in_bytes")) throw await tooLow(value, dirs, cause);
    const category = errno === "ENOENT" || errno === "ENODEV" ? "not_found" : "invalid_argument";
    throw fail(
      category,
      `cannot write ${JSON.stringify(value)} to "${path}": ${errno ?? messageOf(cause)}`,
      cause,
    );
  }
}

/** In runc's words: clients show them. */
async function tooLow(value: string, dirs: readonly string[], cause: unknown): Promise<Error> {
  const usage = numberIn(await readControlFile(dirs, "memory.usage_in_bytes"));
  const peak = numberIn(await readControlFile(dirs, "memory.max_usage_in_bytes"));
  return fail(
    "invalid_argument",
    `unable to set memory limit to ${value} (current usage: ${usage}, peak usage: ${peak})`,
    cause,
  );
}

/** The first failure is the one to be told; that this one could not be undone is told with it. */
export async function takeBack(undo: readonly WasThere[], reason: unknown): Promise<void> {
  for (const { path, value } of undo.toReversed())
    try {
      await writeFile(path, value, { flag: "r+" });
    } catch (error) {
      if (reason instanceof Error)
        reason.message += ` (and "${path}" stays changed: ${errnoOf(error) ?? ""})`;
    }
}

interface FoundFile {
  readonly path: string;
  /** Empty for one that can only be written. */
  readonly text: string;
}

async function findFile(dirs: readonly string[], file: string): Promise<FoundFile | undefined> {
  for (const dir of dirs) {
    const path = join(dir, file);
    if (await exists(path)) return { path, text: (await readControlFile([dir], file)) ?? "" };
  }
  return undefined;
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENODEV") return false;
    throw error;
  }
}
