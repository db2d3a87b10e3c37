import { expect, test } from "bun:test";
import { specInput } from "../testing/spec-input.ts";
import { applyEdits, type Edits } from "./cdi-edits.ts";
import { buildSpec } from "./spec.ts";

const NOTHING: Edits = {
  env: [],
  deviceNodes: [],
  mounts: [],
  hooks: [],
  additionalGids: [],
  intelRdt: undefined,
};
const edited = (edits: Partial<Edits>, request: object = {}) =>
  applyEdits(buildSpec(specInput(request)), { ...NOTHING, ...edits });

test("variables take the place of those that are there, groups are added", () => {
  const { process } = edited({ env: ["A=2", "B=3"], additionalGids: [44, 0] }, { Env: ["A=1", "C=4"] });
  expect(process?.env?.filter((entry) => /^[ABC]=/.test(entry))).toEqual(["C=4", "A=2", "B=3"]);
  expect(process?.user.gantryLookup?.additionalGroups).toEqual(["44"]);
});

test("a node comes with its access, belongs to the container's user, and replaces another of its path", () => {
  const node = { path: "/dev/v", type: "u", major: 1, minor: 3 } as const;
  const once = edited({ deviceNodes: [{ node, access: "r" }] }, { User: "7:8" });
  const { linux } = applyEdits(once, {
    ...NOTHING,
    deviceNodes: [{ node: { ...node, gid: 9 }, access: "rw" }],
  });
  expect(linux?.devices).toEqual([{ ...node, uid: 7, gid: 9 }]);
  expect(linux?.resources?.devices?.slice(-2)).toEqual([
    { allow: true, type: "c", major: 1, minor: 3, access: "r" },
    { allow: true, type: "c", major: 1, minor: 3, access: "rw" },
  ]);
  const pipe = { node: { path: "/dev/p", type: "p" }, access: "rw" } as const;
  expect(edited({ deviceNodes: [pipe] }).linux?.resources?.devices?.at(-1)).toMatchObject({ allow: false });
});

test("mounts replace what is mounted there, outer ones first", () => {
  const mount = (containerPath: string, more: object = {}) => ({
    hostPath: "/h",
    containerPath,
    type: "",
    options: [],
    ...more,
  });
  const { mounts = [] } = edited({
    mounts: [mount("/a/b"), mount("/a", { options: ["ro", "bind"] }), mount("/dev/shm", { type: "tmpfs" })],
  });
  expect(mounts.filter(({ source }) => source === "/h")).toEqual([
    { destination: "/a", type: "bind", source: "/h", options: ["ro", "bind"] },
    { destination: "/a/b", type: "bind", source: "/h", options: ["rbind"] },
    { destination: "/dev/shm", type: "tmpfs", source: "/h", options: [] },
  ]);
  expect(mounts.filter(({ destination }) => destination === "/dev/shm")).toHaveLength(1);
});

test("hooks follow those that are there, in their order", () => {
  const hook = (path: string) => ({ point: "createContainer", hook: { path } }) as const;
  const once = edited({ hooks: [hook("/1"), { point: "poststop", hook: { path: "/2" } }] });
  expect(applyEdits(once, { ...NOTHING, hooks: [hook("/3")] }).hooks).toEqual({
    createContainer: [{ path: "/1" }, { path: "/3" }],
    poststop: [{ path: "/2" }],
  });
  expect(edited({}).hooks).toBeUndefined();
});
