/** Limits of cgroups that not every kernel has, and this one has not. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../base/errors.ts";
import type { CgroupFacts } from "./host-facts.ts";

export type KernelLimit = "cpu-realtime" | "blkio-weight" | "blkio-weight-device";

/** Which schedulers a kernel was built with decides which of the files there are; one that weighs has them for devices, too. */
const FILES: readonly {
  readonly limit: KernelLimit;
  readonly controller: "cpu" | "blkio";
  readonly v1: readonly string[];
  readonly v2: readonly string[];
}[] = [
  { limit: "cpu-realtime", controller: "cpu", v1: ["cpu.rt_runtime_us"], v2: [] },
  {
    limit: "blkio-weight",
    controller: "blkio",
    v1: ["blkio.weight", "blkio.bfq.weight"],
    v2: ["io.weight", "io.bfq.weight"],
  },
  {
    limit: "blkio-weight-device",
    controller: "blkio",
    v1: ["blkio.weight_device", "blkio.bfq.weight_device"],
    v2: ["io.weight", "io.bfq.weight"],
  },
];

/** `root` is put before the mount points, for tests. */
export function findMissingLimits(cgroup: CgroupFacts, root = ""): ReadonlySet<KernelLimit> {
  return new Set(
    FILES.flatMap(({ limit, controller, v1, v2 }) => {
      const mountPoint =
        cgroup.version === 2 ? cgroup.mountPoint : cgroup.controllers.get(controller)?.mountPoint;
      const names = cgroup.version === 2 ? v2 : v1;
      return mountPoint !== undefined && hasOneOf(join(root, mountPoint), names) ? [] : [limit];
    }),
  );
}

/** The root of a hierarchy has fewer files than what is below it; where nothing is, there is no telling but by the root. */
function hasOneOf(directory: string, names: readonly string[]): boolean {
  return [directory, ...childOf(directory)].some((place) =>
    names.some((name) => existsSync(join(place, name))),
  );
}

function childOf(directory: string): readonly string[] {
  try {
    const child = readdirSync(directory, { withFileTypes: true }).find((entry) => entry.isDirectory());
    return child === undefined ? [] : [join(directory, child.name)];
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}
