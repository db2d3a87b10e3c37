import { describe, expect, test } from "bun:test";
import { cgroupDirs, checkCgroupPath, controllerDir } from "./cgroup-paths.ts";
import { FACTS_V1_TOGETHER, FACTS_V2 } from "./testing/facts.ts";

describe("checkCgroupPath()", () => {
  test.each([
    ["/gantry/x", "/gantry/x"],
    ["//a///b/", "/a/b"],
    ["/system.slice/a b", "/system.slice/a b"],
  ])("cleans %s", (path, clean) => {
    expect(checkCgroupPath(path)).toBe(clean);
  });

  test.each([
    "",
    "/",
    "gantry/x",
    "/../x",
    "/a/../b",
    "/a/./b",
    "/a\nb",
    "/a\0b",
    "/\x7f",
    `/${"x".repeat(300)}`,
    "slice:docker:id",
  ])("refuses %j", (path) => {
    expect(() => checkCgroupPath(path)).toThrow("invalid cgroup path");
  });
});

test("cgroupDirs() has one directory per hierarchy, whatever is mounted together", () => {
  expect(cgroupDirs(FACTS_V1_TOGETHER.cgroup, "/gantry/x").slice(0, 2)).toEqual([
    { dir: "/sys/fs/cgroup/cpu,cpuacct/gantry/x", name: "cpu,cpuacct", controllers: ["cpu", "cpuacct"] },
    { dir: "/sys/fs/cgroup/memory/gantry/x", name: "memory", controllers: ["memory"] },
  ]);
  expect(cgroupDirs(FACTS_V2.cgroup, "/gantry/x").map(({ dir }) => dir)).toEqual(["/sys/fs/cgroup/gantry/x"]);
});

test("controllerDir() is undefined for a controller that the host lacks", () => {
  expect(controllerDir(FACTS_V1_TOGETHER.cgroup, "/x", "cpuacct")).toBe("/sys/fs/cgroup/cpu,cpuacct/x");
  expect(controllerDir(FACTS_V1_TOGETHER.cgroup, "/x", "pids")).toBeUndefined();
  expect(controllerDir(FACTS_V2.cgroup, "/x", "memory")).toBe("/sys/fs/cgroup/x");
  expect(controllerDir(FACTS_V2.cgroup, "/x", "hugetlb")).toBeUndefined();
});
