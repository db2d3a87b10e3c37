/** Where a task's cgroups are: pure path arithmetic over what `readHostFacts` found. */
import { posix } from "node:path";
import { fail } from "../base/errors.ts";
import type { CgroupFacts } from "./host-facts.ts";

export interface CgroupDir {
  readonly dir: string;
  /** Of the hierarchy's mount point: "memory", "cpu,cpuacct". */
  readonly name: string;
  /** v1: the controllers mounted together here; v2: empty. */
  readonly controllers: readonly string[];
}

/**
 * A clean absolute cgroup path below the hierarchy's root. Throws `invalid_argument` for one that is relative, has ".."
 * or control characters, or is too long: it names directories on the host. `cgroupPlace` reads the other notations.
 */
export function checkCgroupPath(path: string): string {
  const parts = path.split("/").filter((part) => part !== "");
  const isSafe = parts.every((part) => part !== "." && part !== ".." && part.length <= 255);
  if (
    !path.startsWith("/") ||
    parts.length === 0 ||
    !isSafe ||
    path.length > 3000 ||
    hasControlCharacter(path)
  )
    throw fail("invalid_argument", `invalid cgroup path ${JSON.stringify(path.slice(0, 300))}`);
  return `/${parts.join("/")}`;
}

function hasControlCharacter(text: string): boolean {
  return text.split("").some((sign) => sign < " " || sign === "\x7f");
}

/**
 * The directories that make up one cgroup: one per mounted v1 hierarchy, or the only one of v2. Named hierarchies
 * such as systemd's are left alone.
 */
export function cgroupDirs(facts: CgroupFacts, path: string): CgroupDir[] {
  const clean = checkCgroupPath(path);
  if (facts.version === 2)
    return [
      { dir: posix.join(facts.mountPoint, clean), name: posix.basename(facts.mountPoint), controllers: [] },
    ];
  const byMount = new Map<string, string[]>();
  for (const [controller, { mountPoint }] of facts.controllers) {
    const together = byMount.get(mountPoint);
    if (together === undefined) byMount.set(mountPoint, [controller]);
    else together.push(controller);
  }
  return [...byMount].map(([mountPoint, controllers]) => ({
    dir: posix.join(mountPoint, clean),
    name: posix.basename(mountPoint),
    controllers,
  }));
}

/** The directory that holds this controller's files, or undefined when the host lacks the controller. */
export function controllerDir(facts: CgroupFacts, path: string, controller: string): string | undefined {
  if (facts.version === 2)
    return facts.controllers.has(controller)
      ? posix.join(facts.mountPoint, checkCgroupPath(path))
      : undefined;
  const mounted = facts.controllers.get(controller);
  return mounted === undefined ? undefined : posix.join(mounted.mountPoint, checkCgroupPath(path));
}
