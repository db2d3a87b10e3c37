/** A mount of type "cgroup": what the container sees of its own limits. */
import { posix } from "node:path";
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
 * v2: one mount. v1: a tmpfs with one directory per hierarchy. With a cgroup namespace of its own the container mounts
 * the hierarchies, whose root it then is; without one it gets its own directory of each bound there, as with Docker.
 */
export function cgroupMounts(
  target: string,
  options: MountOptions,
  { spec, taskId, facts }: Context,
): PlanOp[] {
  const attrs = options.attrs.set;
  const { propagation } = options;
  if (facts.cgroup.version === 2)
    return [
      {
        kind: "mount",
        targetMode: false,
        copyUp: false,
        fstype: "cgroup2",
        source: "cgroup",
        target,
        options: [],
        attrs,
        propagation,
        dirMode: MODE,
        idmap: IDMAP.none,
      },
    ];
  const isPrivate = (spec.linux?.namespaces ?? []).some(({ type }) => type === "cgroup");
  const isReadonly = (attrs & MOUNT_ATTR.rdonly) !== 0n;
  const hierarchies = cgroupDirs(facts.cgroup, cgroupPathOf(spec, taskId));
  const directory = (name: string): PlanOp => ({
    kind: "directory",
    path: posix.join(target, name),
    mode: MODE,
    uid: 0,
    gid: 0,
  });
  return [
    {
      kind: "mount",
      targetMode: false,
      copyUp: false,
      fstype: "tmpfs",
      source: "tmpfs",
      target,
      options: ["mode=755"],
      // Writable until its directories exist.
      attrs: attrs & ~MOUNT_ATTR.rdonly,
      propagation,
      dirMode: MODE,
      idmap: IDMAP.none,
    },
    ...hierarchies.map(({ name }) => directory(name)),
    ...hierarchies.flatMap((hierarchy) => links(target, hierarchy)),
    // While it is empty: what is mounted in it would all be mounted a second time.
    ...(isReadonly ? [{ kind: "readonly", path: target } as const] : []),
    ...hierarchies.map((hierarchy): PlanOp => {
      const below = posix.join(target, hierarchy.name);
      return isPrivate ? ownHierarchy(hierarchy, below, attrs) : boundHierarchy(hierarchy, below, attrs);
    }),
  ];
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
  return {
    kind: "mount",
    targetMode: false,
    copyUp: false,
    fstype: "cgroup",
    source: "cgroup",
    target,
    options: controllers,
    attrs,
    propagation: 0n,
    dirMode: MODE,
    idmap: IDMAP.none,
  };
}

function boundHierarchy({ dir }: CgroupDir, target: string, attrs: bigint): PlanOp {
  return {
    kind: "bind",
    recursive: false,
    targetFile: false,
    idmapTree: false,
    source: dir,
    target,
    attrSet: attrs,
    attrClr: 0n,
    treeAttrSet: 0n,
    treeAttrClr: 0n,
    propagation: 0n,
    idmap: IDMAP.none,
  };
}
