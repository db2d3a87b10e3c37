/**
 * What a cgroup uses, read often: some fifteen files, synchronously, and only in the hierarchy that has them. That takes half a
 * millisecond, where the thread pool takes fifteen (cgroup-stats.ts, which reads everything).
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../base/errors.ts";
import { NOTHING_TO_READ, parseCounters } from "./cgroup-file.ts";
import { useV1 } from "./cgroup-stats-v1.ts";
import { useV2 } from "./cgroup-stats-v2.ts";
import type { CgroupUse } from "./cgroup-usage.ts";
import { readKernelFile } from "./kernel-file.ts";

/** Statistics for each device are the longest. */
const MAX_BYTES = 1 << 20;

/** Nobody who asks often asks for these. */
const LEFT_OUT = /^(memory\.(kmem|memsw)\.|cpuacct\.usage_all$)/;

export interface CgroupSample extends CgroupUse {
  readonly version: 1 | 2;
  /** v2: how often memory could not be had. */
  readonly outOfMemory: bigint;
}

/** `dirs` as for `readCgroupStats`. Undefined when the cgroup is gone. */
export async function readCgroupUse(dirs: readonly string[]): Promise<CgroupSample | undefined> {
  const [first = ""] = dirs;
  if (dirs.length === 1 && readNow(first, "cgroup.controllers") !== undefined) {
    const use = await useV2((name) => Promise.resolve(readNow(first, name)));
    const events = parseCounters(readNow(first, "memory.events"));
    return { ...use, version: 2, outOfMemory: events.get("oom") ?? 0n };
  }
  const hierarchies = hierarchiesOf(dirs);
  const own = [...hierarchies].find(([, dir]) => readNow(dir, "cgroup.procs") !== undefined);
  if (own === undefined) return undefined;
  const use = await useV1((name) => {
    const dir = LEFT_OUT.test(name) ? undefined : hierarchies.get(name.slice(0, name.indexOf(".")));
    return Promise.resolve(dir === undefined ? undefined : readNow(dir, name));
  });
  return { ...use, version: 1, outOfMemory: 0n };
}

/**
 * The directory of each controller: "/sys/fs/cgroup/cpu,cpuacct/gantry/ID" has cpu and cpuacct. What all paths end in is the
 * cgroup's own, whatever its parts are called.
 */
function hierarchiesOf(dirs: readonly string[]): ReadonlyMap<string, string> {
  const paths = dirs.map((dir) => dir.split("/"));
  const isShared = (fromEnd: number): boolean =>
    paths.every((parts) => parts.length > fromEnd && parts.at(-fromEnd) === paths[0]?.at(-fromEnd));
  let shared = 0;
  if (dirs.length > 1) while (isShared(shared + 1)) shared++;
  const hierarchies = new Map<string, string>();
  for (const [at, parts] of paths.entries()) {
    const names = dirs.length > 1 ? [parts.at(-shared - 1) ?? ""] : parts;
    for (const name of names.flatMap((part) => part.split(",")))
      if (CONTROLLERS.has(name)) hierarchies.set(name, dirs[at] ?? "");
  }
  return hierarchies;
}

const CONTROLLERS: ReadonlySet<string> = new Set(["cpu", "cpuacct", "memory", "pids", "blkio"]);

function readNow(dir: string, name: string): string | undefined {
  const path = join(dir, name);
  try {
    // Most of those that are asked for are missing, and an error takes longer than a look.
    return existsSync(path) ? readKernelFile(path, MAX_BYTES) : undefined;
  } catch (error) {
    if (NOTHING_TO_READ.has(errnoOf(error))) return undefined;
    throw error;
  }
}
