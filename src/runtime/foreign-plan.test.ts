import { expect, test } from "bun:test";
import { FACTS_V1, FACTS_V2 } from "../linux/testing/facts.ts";
import type { Process, Spec } from "../specs/oci-runtime/spec.ts";
import { foreignExecPlan, foreignRunPlan, identityPlan } from "./foreign-plan.ts";
import { decodeIdentity, foreignProcess, foreignSpec } from "./foreign-spec.ts";

const PROCESS: Process = {
  user: {
    uid: 0,
    gid: 0,
    gantryLookup: { user: { kind: "name", name: "app" }, group: { kind: "none" }, additionalGroups: ["9"] },
  },
  args: ["sh"],
  env: ["A=1"],
  cwd: "/",
};
const SPEC: Spec = {
  ociVersion: "1.2.0",
  process: PROCESS,
  mounts: [{ destination: "/f", type: "bind", source: "/s", options: ["rbind"], gantryFile: true }],
  linux: { cgroupsPath: "/gantry/c1", namespaces: [{ type: "mount" }, { type: "pid" }] },
};
const ROOTFS = { kind: "overlay", lowers: ["/l2", "/l1"], upper: "/u", work: "/w" } as const;
const IDENTITY = { uid: 7, gid: 8, home: "/home/app", groups: [9, 8] };

function runPlan(spec: Spec, facts = FACTS_V2): ReturnType<typeof foreignRunPlan> {
  return foreignRunPlan({
    taskId: "c1",
    spec,
    facts,
    rootfs: ROOTFS,
    staging: "/run/c1/rootfs",
    create: ["/bin/rt", "create"],
    start: ["/bin/rt", "start"],
    delete: ["/bin/rt", "delete"],
    pidFile: "pid",
    consoleSocket: "console",
  });
}

test("a start calls create and start around the sync, and delete whatever happens", () => {
  const plan = runPlan(SPEC);
  expect(plan).toMatchObject({ cloneFlags: 0x20000, foreign: true, terminal: false, hostPid: false });
  expect(plan.ops.map(({ kind }) => kind)).toEqual([
    "oom-file",
    "finally",
    "propagation",
    "root-overlay",
    "command",
    "sync",
    "command",
    "leave",
  ]);
  expect(plan.ops[4]).toMatchObject({ argv: ["/bin/rt", "create"], pidFile: "pid", consoleSocket: "" });
  expect(plan.ops[6]).toMatchObject({ argv: ["/bin/rt", "start"], pidFile: "", consoleSocket: "" });
});

test("the runtime's cgroup is asked for OOM kills when it is there", () => {
  expect(runPlan(SPEC).ops[0]).toMatchObject({ mayMiss: true, file: expect.stringContaining("/gantry/c1/") });
  expect(runPlan(SPEC, FACTS_V1).ops[0]).toMatchObject({
    file: expect.stringContaining("memory.oom_control"),
  });
});

test("a terminal comes over the console socket, and the host's processes are known as such", () => {
  const plan = runPlan({
    ...SPEC,
    process: { ...PROCESS, terminal: true },
    linux: { namespaces: [{ type: "mount" }] },
  });
  expect(plan).toMatchObject({ terminal: true, hostPid: true });
  expect(plan.ops.find(({ kind }) => kind === "command")).toMatchObject({ consoleSocket: "console" });
});

test("an exec makes no namespace", () => {
  const plan = foreignExecPlan({ exec: ["/bin/rt", "exec"], pidFile: "p", consoleSocket: "c" });
  expect(plan).toMatchObject({ cloneFlags: 0, foreign: true, terminal: true });
  expect(plan.ops.map(({ kind }) => kind)).toEqual(["command", "leave"]);
});

test("a user is looked up in all layers, none of which can be written, behind the pivot", () => {
  const { ops } = identityPlan(PROCESS.user, ROOTFS, "/run/c1/rootfs");
  expect(ops[1]).toMatchObject({ lowers: ["/u", "/l2", "/l1"], upper: "", work: "" });
  expect(ops.slice(2)).toMatchObject([
    { kind: "pivot", rootReadonly: true },
    { kind: "identity", report: true, user: "app", addGroups: ["9"], wantHome: true },
  ]);
});

test("a root of images stays one, and a root that is one directory is bound", () => {
  const images = { ...ROOTFS, images: true } as const;
  expect(identityPlan(PROCESS.user, images, "/run/c1/rootfs").ops[1]).toMatchObject({
    images: true,
    lowers: ["/u", "/l2", "/l1"],
  });
  const { ops } = identityPlan(PROCESS.user, { kind: "bind", source: "/tree" }, "/run/c1/rootfs");
  expect(ops.slice(1, 3)).toMatchObject([
    { kind: "root-bind", source: "/tree", staging: "/run/c1/rootfs" },
    { kind: "pivot", rootReadonly: true },
  ]);
});

test("decodeIdentity() reads what the look-up prints, and nothing else", () => {
  expect(decodeIdentity("7 8\n/home/app\n9 8\n")).toEqual(IDENTITY);
  expect(decodeIdentity("0 0\n/\n\n")).toEqual({ uid: 0, gid: 0, home: "/", groups: [] });
  for (const text of [
    "",
    "7\n/\n\n",
    "7 8 9\n/\n\n",
    "7 x\n/\n\n",
    "7 8\n/\n9",
    "7 4294967296\n/\n\n",
    "7 8\n\n\n",
  ])
    expect(() => decodeIdentity(text)).toThrow("cannot read the user");
});

test("the process gets numbers for its user, and HOME where it has none", () => {
  const process = foreignProcess(PROCESS, IDENTITY);
  expect(process.user).toEqual({ uid: 7, gid: 8, additionalGids: [9, 8] });
  expect(process.env).toEqual(["A=1", "HOME=/home/app"]);
  expect(foreignProcess({ ...PROCESS, env: ["HOME=", "B=2"] }, IDENTITY).env).toEqual([
    "B=2",
    "HOME=/home/app",
  ]);
  expect(foreignProcess({ ...PROCESS, env: ["HOME=/x"] }, IDENTITY).env).toEqual(["HOME=/x"]);
});

test("what only the built-in runtime can mount is refused by name", () => {
  const mount = { destination: "/dev/shm", type: "bind", source: "/dev/shm" };
  const foreign = (more: object) => foreignSpec({ ...SPEC, mounts: [{ ...mount, ...more }] }, PROCESS);
  expect(() => foreign({ gantryElsewhere: "/proc/9/ns/mnt" })).toThrow(
    'only the built-in runtime can share what another container has mounted on "/dev/shm"',
  );
  expect(() => foreign({ gantryBeneath: "a/b" })).toThrow('can mount a part of a volume: "a/b"');
});

test("nothing of our own is left in the specification", () => {
  const spec = foreignSpec(SPEC, foreignProcess(PROCESS, IDENTITY));
  expect(JSON.stringify(spec)).not.toContain("gantryFile");
  expect(JSON.stringify(spec)).not.toContain("gantryLookup");
  expect(spec.ociVersion).toBe("1.0.2");
});
