/**
 * What the kernel and the disk hold on an engine's behalf, as comparable sets. Taken at rest before a test and after
 * it: anything new is a leak, and is named.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import type { Engine } from "./engine.ts";
import { SLOWNESS, until } from "./until.ts";

export interface Inventory {
  readonly [kind: string]: ReadonlySet<string>;
}

export function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // the process ended while we looked
  }
}

function names(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

export function pids(): string[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name));
}

export function namespacesOf(pid: string): string[] {
  const found: string[] = [];
  for (const kind of ["mnt", "net", "pid", "ipc", "uts", "cgroup", "user"]) {
    try {
      found.push(readlinkSync(`/proc/${pid}/ns/${kind}`));
    } catch {
      // ended, or a zombie
    }
  }
  return found;
}

/** Shims and everything that runs in one of our cgroups. */
function processes(dirs: readonly string[]): Set<string> {
  const found = new Set<string>();
  for (const pid of pids()) {
    const command = read(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
    const cgroup = read(`/proc/${pid}/cgroup`);
    const cwd = ((): string => {
      try {
        return readlinkSync(`/proc/${pid}/cwd`);
      } catch {
        return "";
      }
    })();
    if (dirs.some((dir) => cwd.startsWith(dir)) || /\/gantry\/[0-9a-f]{64}/.test(cgroup))
      found.add(`${pid} ${command}`);
  }
  return found;
}

export function cgroups(): Set<string> {
  const found = new Set<string>();
  const out = spawnSync("find", ["/sys/fs/cgroup", "-type", "d", "-path", "*gantry*"], {
    encoding: "utf8",
  }).stdout;
  for (const line of out.split("\n")) if (/[0-9a-f]{64}/.test(line)) found.add(line);
  return found;
}

export function mounts(path: string, dirs: readonly string[]): Set<string> {
  return new Set(
    read(path)
      .split("\n")
      .filter((line) => dirs.some((dir) => line.includes(dir)))
      .map((line) => line.split(" ").slice(3, 5).join(" ")),
  );
}

/** Equal ones are numbered, so that one more of them is a new entry and one less is none. */
export function numbered(things: readonly string[]): Set<string> {
  const counts = new Map<string, number>();
  return new Set(
    things.map((thing) => {
      const count = (counts.get(thing) ?? 0) + 1;
      counts.set(thing, count);
      return `${thing} (${count})`;
    }),
  );
}

/** A daemon has one of them open, from the first event that it writes on, and when that is full the next one. */
const EVENT_FILE = /\/events\/\d+\.events$/;

/** Descriptors by what they point to. */
export function descriptors(pid: number): Set<string> {
  const targets: string[] = [];
  let eventFiles = 0;
  for (const fd of names(`/proc/${pid}/fd`)) {
    try {
      const target = readlinkSync(`/proc/${pid}/fd/${fd}`).replace(/\[\d+\]/, "");
      if (!EVENT_FILE.test(target) || ++eventFiles > 1) targets.push(target);
    } catch {
      // closed meanwhile
    }
  }
  return numbered(targets);
}

/** Folders that an engine makes when it first needs them, and keeps. */
const FOLDERS: ReadonlySet<string> = new Set(["active", "images", "layers", "staging", "trash"]);

/** What belongs to one container, one operation or nobody; blobs and layers belong to images and stay out of it. */
export function files(engine: Engine): Set<string> {
  const found = new Set<string>();
  const data = join(engine.dir, "data");
  const snapshots = names(join(data, "snapshots")).flatMap((driver) =>
    ["", "/active", "/staging", "/trash"].map((folder) => `snapshots/${driver}${folder}`),
  );
  for (const folder of [".", "containers", "content", "content/ingest", "volumes", ...snapshots])
    for (const name of names(join(data, folder)))
      if (!FOLDERS.has(name)) found.add(join("data", folder, name));
  for (const folder of [".", "tasks"])
    for (const name of names(join(engine.runDir, folder)))
      if (!FOLDERS.has(name)) found.add(join("run", folder, name));
  return found;
}

export function inventory(engine: Engine): Inventory {
  const rules = spawnSync(
    "nsenter",
    [
      `--target=${engine.pid}`,
      "--net",
      "sh",
      "-c",
      "command -v nft >/dev/null && nft list ruleset; ip -o link",
    ],
    {
      encoding: "utf8",
    },
  ).stdout;
  return {
    "mounts of the host": mounts("/proc/self/mountinfo", [engine.dir, engine.runDir]),
    "mounts of the engine": mounts(`/proc/${engine.pid}/mountinfo`, [engine.dir, engine.runDir]),
    namespaces: new Set(pids().flatMap(namespacesOf)),
    processes: processes([engine.dir, engine.runDir]),
    cgroups: cgroups(),
    "links and rules": new Set(rules.split("\n")),
    files: files(engine),
    "temporary files": new Set(
      existsSync("/tmp") ? names("/tmp").filter((name) => /gantry|^\.bun/.test(name)) : [],
    ),
    descriptors: descriptors(engine.pid),
  };
}

function difference(before: Inventory, after: Inventory): string[] {
  const leaks: string[] = [];
  for (const [kind, things] of Object.entries(after))
    for (const thing of things) if (!(before[kind]?.has(thing) ?? false)) leaks.push(`${kind}: ${thing}`);
  return leaks;
}

/** Throws, naming everything that is there now and was not before; waits a little for what the kernel still tears down. */
export async function expectNoLeaks(
  engine: Engine,
  before: Inventory,
  allowed: readonly string[] = [],
  look: (engine: Engine) => Inventory = inventory,
  patienceMs = 20_000 * SLOWNESS,
): Promise<void> {
  let leaks: string[] = [];
  try {
    await until(
      "everything to be gone",
      () => {
        leaks = difference(before, look(engine)).filter((leak) => !allowed.includes(leak));
        return leaks.length === 0;
      },
      patienceMs,
    );
  } catch {
    throw new Error(`left behind:\n  ${leaks.join("\n  ")}`);
  }
}
