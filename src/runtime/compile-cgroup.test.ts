import { describe, expect, test } from "bun:test";
import type { HostFacts } from "../linux/host-facts.ts";
import { FACTS_V1, FACTS_V2 } from "../linux/testing/facts.ts";
import type { IntelRdt, LinuxResources } from "../specs/oci-runtime/resources.ts";
import type { Spec } from "../specs/oci-runtime/spec.ts";
import { cgroupJoins, cgroupSetup, leavingScope } from "./compile-cgroup.ts";
import type { PlanOp } from "./plan.ts";

const withRdt = (intelRdt: IntelRdt): Spec => ({ ociVersion: "1.2.0", linux: { intelRdt } });

const inResctrl = (ops: readonly PlanOp[]): string[] =>
  ops.flatMap((op) => {
    if (op.kind === "cgroup-create" || op.kind === "cgroup-join")
      return op.dir.startsWith("/sys/fs/resctrl") ? [`${op.kind} ${op.dir}`] : [];
    return op.kind === "cgroup-write" && op.file.startsWith("/sys/fs/resctrl")
      ? [`${op.file} ${op.value}`]
      : [];
  });

test.each([FACTS_V1, FACTS_V2])(
  "a class of service of its own is made, set and joined",
  (base: HostFacts) => {
    const facts = { ...base, resctrl: "/sys/fs/resctrl" };
    const spec = withRdt({ memBwSchema: "MB:0=20", enableMonitoring: true });
    expect(inResctrl(cgroupSetup(spec, "c1", facts))).toEqual([
      "cgroup-create /sys/fs/resctrl/c1",
      "/sys/fs/resctrl/c1/schemata MB:0=20\n",
      "cgroup-create /sys/fs/resctrl/c1/mon_groups/c1",
    ]);
    expect(inResctrl(cgroupJoins(spec, "c1", facts))).toEqual([
      "cgroup-join /sys/fs/resctrl/c1",
      "cgroup-join /sys/fs/resctrl/c1/mon_groups/c1",
    ]);
    expect(cgroupJoins(spec, "c1", facts).at(-1)).toMatchObject({ version: 1 });
  },
);

test("a shared class of service is joined and neither made nor changed", () => {
  const facts = { ...FACTS_V1, resctrl: "/sys/fs/resctrl" };
  const spec = withRdt({ closID: "gold", l3CacheSchema: "L3:0=f" });
  expect(inResctrl(cgroupSetup(spec, "c1", facts))).toEqual([]);
  expect(inResctrl(cgroupJoins(spec, "c1", facts))).toEqual(["cgroup-join /sys/fs/resctrl/gold"]);
});

test("a class of service needs resctrl", () => {
  expect(() => cgroupSetup(withRdt({}), "c1", FACTS_V1)).toThrow("linux.intelRdt needs a mounted resctrl");
});

test("limits of the core itself need no controller, others name theirs", () => {
  const withLimits = (resources: LinuxResources): Spec => ({ ociVersion: "1.2.0", linux: { resources } });
  expect(cgroupSetup(withLimits({ unified: { "cgroup.max.depth": "3" } }), "c1", FACTS_V2)).toContainEqual({
    kind: "cgroup-write",
    mayMiss: false,
    file: "/sys/fs/cgroup/gantry/c1/cgroup.max.depth",
    value: "3",
  });
  expect(() => cgroupSetup(withLimits({ rdma: { a: { hcaHandles: 1 } } }), "c1", FACTS_V2)).toThrow(
    'cannot set "rdma.max": the rdma cgroup is not available',
  );
  expect(() =>
    cgroupSetup(withLimits({ hugepageLimits: [{ pageSize: "2MB", limit: 1n }] }), "c1", FACTS_V1),
  ).toThrow("the hugetlb cgroup is not available");
});

test("leavingScope() keeps the plan and sends who performs it home", () => {
  const plan = {
    cloneFlags: 0,
    join: false,
    terminal: false,
    hostPid: false,
    ops: [{ kind: "sync", lookup: false }],
  } as const;
  expect(leavingScope(plan, ["/a/cgroup.procs", "/b/cgroup.procs"])).toEqual({
    ...plan,
    ops: [
      { kind: "cgroup-leave", file: "/a/cgroup.procs" },
      { kind: "cgroup-leave", file: "/b/cgroup.procs" },
      { kind: "sync", lookup: false },
    ],
  });
});

describe("the container's user gets the cgroup", () => {
  const files = ["cgroup.procs", "cgroup.threads", "memory.reclaim"];
  const facts: HostFacts = { ...FACTS_V2, cgroupDelegate: files };
  const spec = (uid: number, options: readonly string[], more: Spec["linux"] = {}): Spec => ({
    ociVersion: "1.2.0",
    process: { user: { uid, gid: 0 }, args: ["sh"], cwd: "/" },
    mounts: [{ destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options }],
    linux: { namespaces: [{ type: "cgroup" }], ...more },
  });
  const owners = (of: Spec, on = facts): PlanOp[] =>
    cgroupSetup(of, "c1", on).filter(({ kind }) => kind === "cgroup-owner");
  const maps = { uidMappings: [{ containerID: 0, hostID: 100000, size: 65536 }] };

  test("when it is the root of a writable hierarchy, as the host knows that user", () => {
    const dir = "/sys/fs/cgroup/gantry/c1";
    expect(owners(spec(5, ["rw"]))).toEqual([{ kind: "cgroup-owner", dir, uid: 5, files }]);
    expect(owners(spec(5, [], maps))).toEqual([{ kind: "cgroup-owner", dir, uid: 100005, files }]);
    expect(owners(spec(0, [], maps), FACTS_V2)).toMatchObject([
      { uid: 100000, files: ["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"] },
    ]);
  });

  test.each<[string, Spec, HostFacts]>([
    ["root", spec(0, []), facts],
    ["one that is not mapped", spec(70000, [], maps), facts],
    ["a reader", spec(5, ["ro"]), facts],
    ["one in the host's cgroup namespace", spec(5, [], { namespaces: [] }), facts],
    [
      "one in another's cgroup namespace",
      spec(5, [], { namespaces: [{ type: "cgroup", path: "/x" }] }),
      facts,
    ],
    ["anybody in version 1", spec(5, []), FACTS_V1],
  ])("but not %s", (_, of, on) => {
    expect(owners(of, on)).toEqual([]);
  });
});
