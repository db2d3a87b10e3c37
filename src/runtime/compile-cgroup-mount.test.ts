import { describe, expect, test } from "bun:test";
import type { HostFacts } from "../linux/host-facts.ts";
import { MOUNT_ATTR, parseMountOptions } from "../linux/mount-options.ts";
import { FACTS_V1, FACTS_V1_TOGETHER, FACTS_V2 } from "../linux/testing/facts.ts";
import type { Spec } from "../specs/oci-runtime/spec.ts";
import { cgroupMounts } from "./compile-cgroup-mount.ts";
import type { PlanOp } from "./plan.ts";

const TARGET = "/sys/fs/cgroup";
const READONLY = ["nosuid", "noexec", "nodev", "relatime", "ro"];
const SAFE = MOUNT_ATTR.nosuid | MOUNT_ATTR.noexec | MOUNT_ATTR.nodev;

function mounts(
  facts: HostFacts,
  namespaces: readonly ("cgroup" | "user")[],
  options: readonly string[],
): PlanOp[] {
  const spec: Spec = { ociVersion: "1.2.0", linux: { namespaces: namespaces.map((type) => ({ type })) } };
  return cgroupMounts(TARGET, parseMountOptions(options), { spec, taskId: "t1", facts });
}

describe("cgroupMounts() of v2", () => {
  test.each([[["cgroup"] as const], [["cgroup", "user"] as const]])(
    "mounts anew in a namespace of its own: %j",
    (namespaces) => {
      const [op, ...more] = mounts(FACTS_V2, namespaces, READONLY);
      expect(more).toEqual([]);
      expect(op).toMatchObject({
        kind: "mount",
        fstype: "cgroup2",
        target: TARGET,
        options: [],
        attrs: SAFE | MOUNT_ATTR.rdonly,
      });
    },
  );

  test.each([[[]], [["user"] as const]])(
    "binds the host's mount in the host's namespace: %j",
    (namespaces) => {
      const [op, ...more] = mounts(FACTS_V2, namespaces, READONLY);
      expect(more).toEqual([]);
      expect(op).toMatchObject({
        kind: "bind",
        source: TARGET,
        recursive: false,
        attrSet: SAFE | MOUNT_ATTR.rdonly,
      });
    },
  );

  test("stays writable when that is asked for", () => {
    expect(mounts(FACTS_V2, ["cgroup"], ["nosuid", "rw"])).toMatchObject([{ attrs: MOUNT_ATTR.nosuid }]);
  });

  test("leaves what is the host's to the host, and refuses what nobody knows", () => {
    expect(mounts(FACTS_V2, ["cgroup"], ["nsdelegate", "memory_recursiveprot"])).toMatchObject([
      { options: [] },
    ]);
    expect(() => mounts(FACTS_V2, ["cgroup"], ["release_agent=/x"])).toThrow(
      'unknown option "release_agent=/x"',
    );
    expect(() => mounts(FACTS_V1, [], ["none"])).toThrow("unknown option");
  });
});

describe("cgroupMounts() of v1", () => {
  const words = (ops: readonly PlanOp[]): string[] =>
    ops.map((op) => {
      if (op.kind === "mount") return `mount ${op.fstype} ${op.target} ${op.options.join(",")}`;
      if (op.kind === "bind") return `bind ${op.source} ${op.target}`;
      return "path" in op ? `${op.kind} ${op.path}` : op.kind;
    });

  test("makes the directories, closes them, then fills them, in a namespace of its own", () => {
    expect(words(mounts(FACTS_V1_TOGETHER, ["cgroup"], READONLY))).toEqual([
      "mount tmpfs /sys/fs/cgroup mode=755",
      "directory /sys/fs/cgroup/cpu,cpuacct",
      "directory /sys/fs/cgroup/memory",
      "directory /sys/fs/cgroup/devices",
      "symlink /sys/fs/cgroup/cpu",
      "symlink /sys/fs/cgroup/cpuacct",
      "readonly /sys/fs/cgroup",
      "mount cgroup /sys/fs/cgroup/cpu,cpuacct cpu,cpuacct",
      "mount cgroup /sys/fs/cgroup/memory memory",
      "mount cgroup /sys/fs/cgroup/devices devices",
    ]);
  });

  test("binds the container's own directories in the host's namespace", () => {
    const ops = words(mounts(FACTS_V1_TOGETHER, ["user"], ["rw"]));
    expect(ops).toContain("bind /sys/fs/cgroup/memory/gantry/t1 /sys/fs/cgroup/memory");
    expect(ops).not.toContain("readonly /sys/fs/cgroup");
  });
});
