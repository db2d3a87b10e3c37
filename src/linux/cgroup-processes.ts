/** Which processes belong to a container: those in the cgroup of its main process, and in the ones below it. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../base/errors.ts";
import { readControlFile } from "./cgroup-file.ts";
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
  return processesBelow(directory);
}

/** Host pids of the processes in a cgroup and in those below it, ascending. Empty when it is gone. */
export async function processesBelow(directory: string): Promise<readonly number[]> {
  const pids = new Set<number>();
  const pending = [directory];
  for (let looked = 0; looked < MOST_CGROUPS; looked++) {
    const next = pending.pop();
    if (next === undefined) break;
    for (const pid of await membersOf(next)) pids.add(pid);
    pending.push(...(await subdirectories(next)));
  }
  return [...pids].sort((a, b) => a - b);
}

/** A threaded cgroup lists no processes (EOPNOTSUPP) but threads, and one process may be in several of them. */
async function membersOf(directory: string): Promise<readonly number[]> {
  const processes = await readControlFile([directory], "cgroup.procs");
  if (processes !== undefined) return numbersIn(processes);
  const threads = numbersIn((await readControlFile([directory], "cgroup.threads")) ?? "");
  const owners = await Promise.all(threads.map(processOfThread));
  return owners.flatMap((pid) => (pid === undefined ? [] : [pid]));
}

function numbersIn(text: string): number[] {
  return text
    .split("\n")
    .filter((line) => /^[1-9]\d*$/.test(line))
    .map(Number);
}

async function processOfThread(tid: number): Promise<number | undefined> {
  const [, pid] = /^Tgid:\s*(\d+)$/m.exec((await readOr(`/proc/${tid}/status`)) ?? "") ?? [];
  return pid === undefined ? undefined : Number(pid);
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
