/** A mount of type "cgroup": what the container sees of its own limits. */
import { posix } from "node:path";
import { cgroupDirs } from "../linux/cgroup-paths.ts";
import type { HostFacts } from "../linux/host-facts.ts";
import { MOUNT_ATTR, type MountOptions } from "../linux/mount-options.ts";
import type { Spec } from "../specs/oci-runtime/spec.ts";
import { cgroupPathOf } from "./compile-cgroup.ts";
import type { PlanOp } from "./plan.ts";

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
        fstype: "cgroup2",
        source: "cgroup",
        target,
        options: [],
        attrs,
        propagation,
        dirMode: MODE,
      },
    ];
  const isPrivate = (spec.linux?.namespaces ?? []).some(({ type }) => type === "cgroup");
  const isReadonly = (attrs & MOUNT_ATTR.rdonly) !== 0n;
  const hierarchies = cgroupDirs(facts.cgroup, cgroupPathOf(spec, taskId));
  const ops: PlanOp[] = [
    {
      kind: "mount",
      targetMode: false,
      fstype: "tmpfs",
      source: "tmpfs",
      target,
      options: ["mode=755"],
      // Writable until its directories exist.
      attrs: attrs & ~MOUNT_ATTR.rdonly,
      propagation,
      dirMode: MODE,
    },
  ];
  for (const { dir, name, controllers } of hierarchies) {
    const below = posix.join(target, name);
    ops.push(
      isPrivate
        ? {
            kind: "mount",
            targetMode: false,
            fstype: "cgroup",
            source: "cgroup",
            target: below,
            options: controllers,
            attrs,
            propagation: 0n,
            dirMode: MODE,
          }
        : {
            kind: "bind",
            recursive: false,
            recursiveAttr: false,
            targetFile: false,
            source: dir,
            target: below,
            attrSet: attrs,
            attrClr: 0n,
            propagation: 0n,
          },
    );
    if (controllers.length > 1)
      for (const controller of controllers)
        ops.push({ kind: "symlink", value: name, path: posix.join(target, controller) });
  }
  if (isReadonly) ops.push({ kind: "readonly", path: target });
  return ops;
}
