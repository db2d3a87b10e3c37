/** Which cgroup hierarchies a host has, from its mount table: pure. cgroups(7), proc_pid_mountinfo(5) */
import { posix } from "node:path";
import { fail } from "../base/errors.ts";
import type { CgroupFacts } from "./host-facts.ts";

const ROOT = "/sys/fs/cgroup";

interface CgroupMount {
  readonly mountPoint: string;
  readonly type: "cgroup" | "cgroup2";
  /** Options of the superblock: v1 lists its controllers there. */
  readonly options: readonly string[];
}

/**
 * Version 2 only when /sys/fs/cgroup itself is one: on a hybrid host the controllers are in v1's hierarchies, and the
 * unified one beside them limits nothing. `readControllers` reads a v2 mount's cgroup.controllers.
 */
export function findCgroups(
  mountinfo: string,
  ownCgroups: string,
  readControllers: (mountPoint: string) => string,
): CgroupFacts {
  const mounts = mountinfo.split("\n").flatMap(parseMount);
  const own = parseOwn(ownCgroups);
  // The last one mounted on a place is the one to be seen there.
  const unified = mounts.findLast(({ mountPoint }) => mountPoint === ROOT);
  if (unified?.type === "cgroup2")
    return {
      version: 2,
      mountPoint: ROOT,
      own: own.get("") ?? "/",
      controllers: new Set(readControllers(ROOT).split(/\s+/).filter(Boolean)),
    };
  const controllers = new Map<string, { mountPoint: string; own: string }>();
  for (const { mountPoint, type, options } of mounts)
    for (const option of type === "cgroup" ? options : []) {
      const path = own.get(option);
      if (path !== undefined && !controllers.has(option)) controllers.set(option, { mountPoint, own: path });
    }
  if (controllers.size === 0)
    throw fail("unavailable", `no control groups are mounted below ${ROOT}: containers cannot be limited`);
  return { version: 1, controllers };
}

/**
 * The cgroup.procs of every cgroup that this process is in, one for each hierarchy that is mounted, named ones such as
 * systemd's, too: writing "0" to them undoes what moves it elsewhere. Throws `unavailable` when one is out of sight, which
 * is so in a cgroup namespace whose root is below.
 */
export function findOwnMemberFiles(mountinfo: string, ownCgroups: string): string[] {
  const mounts = mountinfo.split("\n").flatMap(parseMount);
  return ownCgroups.split("\n").flatMap((line) => {
    const [, names, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (names === undefined || path === undefined) return [];
    const mount = mounts.findLast(({ type, options }) =>
      names === ""
        ? type === "cgroup2"
        : type === "cgroup" && names.split(",").every((name) => options.includes(name)),
    );
    if (mount === undefined) return [];
    if (path.startsWith("/.."))
      throw fail("unavailable", `the own cgroup "${path}" cannot be seen below "${mount.mountPoint}"`);
    return [posix.join(mount.mountPoint, path, "cgroup.procs")];
  });
}

/** Every hierarchy that is mounted, those without controllers, too: other runtimes have a cgroup in each. */
export function findCgroupMounts(mountinfo: string): readonly string[] {
  const mounts = mountinfo.split("\n").flatMap(parseMount);
  return [...new Set(mounts.map(({ mountPoint }) => mountPoint))];
}

/** Where the resctrl file system is mounted; undefined when it is not. */
export function findResctrl(mountinfo: string): string | undefined {
  return mountinfo
    .split("\n")
    .find((line) => line.includes(" - resctrl "))
    ?.split(" ")[4];
}

/** "36 35 98:0 / /mnt rw - ext4 /dev/root rw,errors=continue" */
function parseMount(line: string): CgroupMount[] {
  const [before = "", after = ""] = line.split(" - ");
  const mountPoint = before.split(" ")[4];
  const [type, , options] = after.split(" ");
  if (mountPoint === undefined || (type !== "cgroup" && type !== "cgroup2")) return [];
  const plain = mountPoint.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
  return [{ mountPoint: plain, type, options: (options ?? "").split(",") }];
}

/** "4:memory:/user" → memory is in /user; v2's line has no name; named hierarchies ("name=systemd") are left out. */
function parseOwn(text: string): Map<string, string> {
  const own = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [, names, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (names === undefined || path === undefined || names.startsWith("name=")) continue;
    for (const name of names.split(",")) own.set(name, path);
  }
  return own;
}
