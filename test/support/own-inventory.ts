/**
 * What the kernel and the disk hold on behalf of one engine and of nobody else: to be compared while other engines come
 * and go beside it. A thing is this engine's by a path below its directories, by the namespaces it is in, or by the id
 * of a container that the engine's log names.
 */
import { readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "./engine.ts";
import {
  cgroups,
  descriptors,
  files,
  type Inventory,
  mounts,
  namespacesOf,
  numbered,
  pids,
  read,
} from "./leak-check.ts";

interface Process {
  readonly pid: string;
  /** Without numbers: the next daemon's children are others. */
  readonly command: string;
}

export function ownInventory(engine: Engine): Inventory {
  const ids = idsIn(read(engine.logFile));
  const processes = ownProcesses(engine, ids);
  const shims = processes.filter(({ command }) => command.startsWith("gantry-shim"));
  return {
    "mounts of the host": mounts("/proc/self/mountinfo", [engine.dir, engine.runDir]),
    "mounts of the engine": mounts(`/proc/${engine.pid}/mountinfo`, [engine.dir, engine.runDir]),
    namespaces: new Set([
      ...processes.flatMap(({ pid }) => namespacesOf(pid)),
      ...mountedNamespaces(read(`/proc/${engine.pid}/mountinfo`)),
    ]),
    processes: numbered(processes.map(({ command }) => command)),
    cgroups: new Set([...cgroups()].filter((path) => idsIn(path).some((id) => ids.includes(id)))),
    "loop devices": loopDevices([engine.dir, engine.runDir]),
    files: files(engine),
    descriptors: descriptors(engine.pid),
    "descriptors of shims": new Set(
      shims.flatMap(({ pid, command }) => [...descriptors(Number(pid))].map((fd) => `${command}: ${fd}`)),
    ),
  };
}

function idsIn(text: string): string[] {
  return [...new Set(text.match(/\b[0-9a-f]{64}\b/g))];
}

/** All but the daemon: what shares its namespaces (shims, and children of every kind), its dead children, and what is in a container. */
function ownProcesses(engine: Engine, ids: readonly string[]): Process[] {
  const daemon = String(engine.pid);
  const places = new Set(["mnt", "net"].map((kind) => link(`/proc/${daemon}/ns/${kind}`)));
  const isOwn = (pid: string): boolean =>
    ["mnt", "net"].some((kind) => places.has(link(`/proc/${pid}/ns/${kind}`))) ||
    ["cwd", "root"].some((name) => isBelow(link(`/proc/${pid}/${name}`), [engine.dir, engine.runDir])) ||
    idsIn(read(`/proc/${pid}/cgroup`)).some((id) => ids.includes(id)) ||
    parentOf(pid) === daemon;
  return pids()
    .filter((pid) => pid !== daemon && isOwn(pid))
    .map((pid) => ({ pid, command: commandOf(pid) }));
}

function commandOf(pid: string): string {
  const command = read(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
  return command === "" ? `dead ${read(`/proc/${pid}/comm`).trim()}` : command;
}

/** proc_pid_stat(5): the name is in parentheses and may have some itself. */
function parentOf(pid: string): string | undefined {
  return read(`/proc/${pid}/stat`).split(") ").at(-1)?.split(" ")[1];
}

/** Namespaces that nobody needs to be in: they are held by a mount. */
function mountedNamespaces(mountinfo: string): string[] {
  return mountinfo.split("\n").flatMap((line) => {
    const [, , , root = ""] = line.split(" ");
    return line.includes(" - nsfs ") ? [root] : [];
  });
}

function loopDevices(dirs: readonly string[]): Set<string> {
  const found = new Set<string>();
  for (const name of readdirSync("/sys/block")) {
    const file = read(join("/sys/block", name, "loop", "backing_file")).trim();
    if (isBelow(file, dirs)) found.add(`${name} of ${file}`);
  }
  return found;
}

function isBelow(path: string, dirs: readonly string[]): boolean {
  return dirs.some((dir) => path.startsWith(`${dir}/`));
}

/** Something that equals nothing when the process has ended. */
function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return `gone ${path}`;
  }
}
