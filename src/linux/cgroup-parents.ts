/**
 * The cgroups above those of tasks ("/gantry"). They are shared and stay; a task's plan makes only its own below them. A new
 * one is not usable as it comes: in v2 controllers have to be passed down level by level, in v1 a cpuset starts empty and
 * takes no process.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../base/errors.ts";
import { checkCgroupPath, controllerDir } from "./cgroup-paths.ts";
import type { CgroupFacts } from "./host-facts.ts";

/**
 * Makes the parents of the cgroup `path` ready. Cheap when they are (a few reads below /sys), so it is called before every
 * start: whatever removed or emptied them meanwhile is mended. Limits that somebody gave them are left alone.
 */
export function readyCgroupParents(facts: CgroupFacts, path: string): void {
  const parents = checkCgroupPath(path).split("/").slice(1, -1);
  if (facts.version === 2) passControllersDown(facts, parents);
  else fillCpusets(facts, parents);
}

/** Controllers that we use; others stay where the host has them. */
const WANTED = ["cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc"];

function passControllersDown(facts: CgroupFacts & { readonly version: 2 }, parents: readonly string[]): void {
  let dir = facts.mountPoint;
  for (const name of ["", ...parents]) {
    dir = join(dir, name);
    mkdirSync(dir, { recursive: true });
    const control = join(dir, "cgroup.subtree_control");
    const enabled = readFileSync(control, "utf8").split(/\s+/);
    for (const controller of WANTED)
      if (facts.controllers.has(controller) && !enabled.includes(controller)) enable(control, controller);
  }
}

/** EOPNOTSUPP and ENOTSUP are one number, and runtimes differ in what they call it. */
const NOT_POSSIBLE: ReadonlySet<string> = new Set(["ENOENT", "EINVAL", "EBUSY", "EOPNOTSUPP", "ENOTSUP"]);

/** One by one: the kernel refuses a whole list for one controller that is in use elsewhere. */
function enable(control: string, controller: string): void {
  try {
    writeFileSync(control, `+${controller}`, { flag: "r+" });
  } catch (error) {
    const errno = errnoOf(error);
    // Not passed down to here, or held by realtime processes or a threaded cgroup. A limit that needs it fails by name.
    if (errno === undefined || !NOT_POSSIBLE.has(errno)) throw error;
  }
}

const CPUSET_FILES = ["cpuset.cpus", "cpuset.mems"];

/** With clone_children the kernel copies the set to each new child: a task's start then writes nothing. */
function fillCpusets(facts: CgroupFacts, parents: readonly string[]): void {
  if (parents.length === 0) return;
  const path = `/${parents.join("/")}`;
  const last = controllerDir(facts, path, "cpuset");
  if (last === undefined) return;
  let above = last.slice(0, last.length - path.length);
  for (const name of parents) {
    const dir = join(above, name);
    mkdirSync(dir, { recursive: true });
    for (const file of CPUSET_FILES)
      if (readFileSync(join(dir, file), "utf8").trim() === "")
        writeFileSync(join(dir, file), readFileSync(join(above, file), "utf8").trim(), { flag: "r+" });
    above = dir;
  }
  const clone = join(last, "cgroup.clone_children");
  if (readFileSync(clone, "utf8").trim() !== "1") writeFileSync(clone, "1", { flag: "r+" });
}
