/** A mount of type "cgroup": what the container sees of its own limits. */
import { posix } from "node:path";
import { fail } from "../base/errors.ts";
import { type CgroupDir, cgroupDirs } from "../linux/cgroup-paths.ts";
import type { HostFacts } from "../linux/host-facts.ts";
import { MOUNT_ATTR, type MountOptions } from "../linux/mount-options.ts";
import type { Spec } from "../specs/oci-runtime/spec.ts";
import { cgroupPathOf } from "./compile-cgroup.ts";
import { IDMAP, type PlanOp } from "./plan.ts";

const MODE = 0o755;

interface Context {
  readonly spec: Spec;
  readonly taskId: string;
  readonly facts: HostFacts;
}

/**
 * v2: one mount. v1: a tmpfs with one directory per hierarchy. With a cgroup namespace that is not the host's the container
 * mounts the hierarchies, whose root its own cgroup then is, also inside a user namespace; without one it gets a bind, in v1
 * of its own directory of each, as with Docker, in v2 of the host's mount, as with runc.
 */
export function cgroupMounts(
  target: string,
  options: MountOptions,
  { spec, taskId, facts }: Context,
): PlanOp[] {
  checkData(options.data);
  const isPrivate = (spec.linux?.namespaces ?? []).some(({ type }) => type === "cgroup");
  if (facts.cgroup.version === 2)
    return [isPrivate ? newUnified(target, options) : boundUnified(facts.cgroup.mountPoint, target, options)];
  const attrs = options.attrs.set;
  const isReadonly = (attrs & MOUNT_ATTR.rdonly) !== 0n;
  const hierarchies = cgroupDirs(facts.cgroup, cgroupPathOf(spec, taskId));
  return [
    newMount({
      fstype: "tmpfs",
      target,
      options: ["mode=755"],
      // Writable until its directories exist.
      attrs: attrs & ~MOUNT_ATTR.rdonly,
      propagation: options.propagation,
    }),
    ...hierarchies.map(
      ({ name }): PlanOp => ({
        kind: "directory",
        path: posix.join(target, name),
        mode: MODE,
        uid: 0,
        gid: 0,
      }),
    ),
    ...hierarchies.flatMap((hierarchy) => links(target, hierarchy)),
    // While it is empty: what is mounted in it would all be mounted a second time.
    ...(isReadonly ? [{ kind: "readonly", path: target } as const] : []),
    ...hierarchies.map((hierarchy): PlanOp => {
      const below = posix.join(target, hierarchy.name);
      return isPrivate ? ownHierarchy(hierarchy, below, attrs) : bind(hierarchy.dir, below, attrs, 0n);
    }),
  ];
}

/** cgroups(7): of the whole hierarchy, so that only the host decides on them; the kernel ignores them in a namespace. */
const HOST_WIDE: ReadonlySet<string> = new Set([
  "nsdelegate",
  "favordynmods",
  "memory_localevents",
  "memory_recursiveprot",
  "memory_hugetlb_accounting",
  "pids_localevents",
]);

function checkData(data: readonly string[]): void {
  const unknown = data.find((option) => !HOST_WIDE.has(option));
  if (unknown !== undefined)
    throw fail(
      "invalid_argument",
      `unknown option ${JSON.stringify(unknown.slice(0, 100))} of a cgroup mount`,
    );
}

function newUnified(target: string, { attrs, propagation }: MountOptions): PlanOp {
  return newMount({ fstype: "cgroup2", target, options: [], attrs: attrs.set, propagation });
}

/** Never a new mount: made in the host's cgroup namespace it would take the host's own options (nsdelegate) away. */
function boundUnified(source: string, target: string, { attrs, propagation }: MountOptions): PlanOp {
  return bind(source, target, attrs.set, propagation);
}

/** "cpu,cpuacct" can also be found as "cpu" and as "cpuacct". */
function links(target: string, { name, controllers }: CgroupDir): PlanOp[] {
  if (controllers.length < 2) return [];
  return controllers.map((controller) => ({
    kind: "symlink",
    value: name,
    path: posix.join(target, controller),
  }));
}

function ownHierarchy({ controllers }: CgroupDir, target: string, attrs: bigint): PlanOp {
  return newMount({ fstype: "cgroup", target, options: controllers, attrs, propagation: 0n });
}

interface NewMount {
  readonly fstype: "cgroup" | "cgroup2" | "tmpfs";
  readonly target: string;
  readonly options: readonly string[];
  readonly attrs: bigint;
  readonly propagation: bigint;
}

function newMount(mount: NewMount): PlanOp {
  const source = mount.fstype === "tmpfs" ? "tmpfs" : "cgroup";
  return {
    kind: "mount",
    targetMode: false,
    copyUp: false,
    source,
    dirMode: MODE,
    idmap: IDMAP.none,
    ...mount,
  };
}

function bind(source: string, target: string, attrs: bigint, propagation: bigint): PlanOp {
  return {
    kind: "bind",
    recursive: false,
    targetFile: false,
    idmapTree: false,
    elsewhere: false,
    source,
    target,
    attrSet: attrs,
    attrClr: 0n,
    treeAttrSet: 0n,
    treeAttrClr: 0n,
    propagation,
    idmap: IDMAP.none,
    beneath: "",
  };
}
