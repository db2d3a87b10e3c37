/** Which processes belong to a container: those in the cgroup of its main process, and in the ones below it. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../base/errors.ts";
import type { CgroupFacts } from "./host-facts.ts";

/** Controllers of cgroup v1 in the order in which they are tried: a task is a member of the same path in each. */
const V1_CONTROLLERS = ["pids", "memory", "cpu", "freezer", "devices"];
const MOST_CGROUPS = 10_000;

/** Host pids, ascending; just `pid` when its cgroup is not its own. Empty when the process is gone. */
export async function processesOf(pid: number, facts: CgroupFacts): Promise<readonly number[]> {
  const memberships = await readOr(`/proc/${pid}/cgroup`);
  if (memberships === undefined) return [];
  const directory = cgroupDirectory(memberships, facts);
  if (directory === undefined) return [pid];
  const pids: number[] = [];
  const pending = [directory];
  for (let looked = 0; looked < MOST_CGROUPS; looked++) {
    const next = pending.pop();
    if (next === undefined) break;
    for (const line of ((await readOr(join(next, "cgroup.procs"))) ?? "").split("\n"))
      if (/^[1-9]\d*$/.test(line)) pids.push(Number(line));
    pending.push(...(await subdirectories(next)));
  }
  return pids.sort((a, b) => a - b);
}

/** From lines such as "4:memory:/docker/ab12" (v1) or "0::/docker/ab12" (v2). Undefined for this daemon's own or the root. */
export function cgroupDirectory(memberships: string, facts: CgroupFacts): string | undefined {
  const paths = new Map<string, string>();
  for (const line of memberships.split("\n")) {
    const [, controllers = "", path = ""] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path !== "") for (const controller of controllers.split(",")) paths.set(controller, path);
  }
  if (facts.version === 2) return ownCgroup(facts.mountPoint, paths.get(""), facts.own);
  for (const controller of V1_CONTROLLERS) {
    const hierarchy = facts.controllers.get(controller);
    if (hierarchy !== undefined && paths.has(controller))
      return ownCgroup(hierarchy.mountPoint, paths.get(controller), hierarchy.own);
  }
  return undefined;
}

function ownCgroup(mountPoint: string, path: string | undefined, daemons: string): string | undefined {
  if (path === undefined || path === "/" || path === daemons || path.includes("/../")) return undefined;
  return join(mountPoint, path);
}

async function subdirectories(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => join(directory, entry.name));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}

async function readOr(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (["ENOENT", "ESRCH", "ENODEV"].includes(errnoOf(error) ?? "")) return undefined;
    throw error;
  }
}
