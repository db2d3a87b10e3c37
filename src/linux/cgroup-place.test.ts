import { expect, test } from "bun:test";
import { cgroupPlace, type CgroupDriver, driverOf, slicePath } from "./cgroup-place.ts";

test.each<[CgroupDriver, string | undefined, string]>([
  ["cgroupfs", undefined, "/gantry/c1"],
  ["cgroupfs", "", "/gantry/c1"],
  ["cgroupfs", "/a/b", "/a/b"],
  ["cgroupfs", "a/b", "/gantry/a/b"],
  ["cgroupfs", "/a:b:c", "/a:b:c"],
  ["systemd", undefined, "/system.slice/gantry-c1.scope"],
  ["systemd", ":docker:x", "/system.slice/docker-x.scope"],
  ["systemd", "user.slice::x", "/user.slice/x.scope"],
  ["systemd", "-.slice:libpod:x", "/libpod-x.scope"],
  [
    "systemd",
    "kubepods-burstable-pod1.slice:cri-containerd:ab",
    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-ab.scope",
  ],
])("cgroupPlace() with %s: %p is %s", (driver, text, path) => {
  expect(cgroupPlace(text, "c1", driver).path).toBe(path);
});

test("cgroupPlace() tells the unit and its slice", () => {
  expect(cgroupPlace("a-b.slice:p:n", "c1", "systemd").scope).toEqual({
    unit: "p-n.scope",
    slice: "a-b.slice",
  });
  expect(cgroupPlace("/a", "c1", "cgroupfs").scope).toBeUndefined();
});

test.each<[CgroupDriver, string, string]>([
  ["cgroupfs", "../x", "invalid cgroup path"],
  ["cgroupfs", "/a/../b", "invalid cgroup path"],
  ["cgroupfs", "a\nb", "invalid cgroup path"],
  ["cgroupfs", "/", "invalid cgroup path"],
  ["cgroupfs", "system.slice:docker:x", "only the systemd driver"],
  ["systemd", "/a/b", "is not of the form"],
  ["systemd", "a:b", "is not of the form"],
  ["systemd", "a.slice:b:", "is not of the form"],
  ["systemd", "a.slice:b:c:d", "is not of the form"],
  ["systemd", "a.slice:b:c.slice", "holds units"],
  ["systemd", "a.slice:b:../c", "cannot be the name of a unit"],
  ["systemd", "a.slice:b:c d", "cannot be the name of a unit"],
  ["systemd", "a.slice:b:c\n", "cannot be the name of a unit"],
  ["systemd", `a.slice:b:${"c".repeat(250)}`, "cannot be the name of a unit"],
  ["systemd", "a:b:c", "is not the name of a slice"],
  ["systemd", "../a.slice:b:c", "is not the name of a slice"],
  ["systemd", "a--b.slice:b:c", "is not the name of a slice"],
  ["systemd", "-a.slice:b:c", "is not the name of a slice"],
  ["systemd", ".slice:b:c", "is not the name of a slice"],
])("cgroupPlace() with %s refuses %j", (driver, text, message) => {
  expect(() => cgroupPlace(text, "c1", driver)).toThrow(message);
});

test("slicePath() of the root slice is the root", () => {
  expect(slicePath("-.slice")).toBe("");
  expect(slicePath("system.slice")).toBe("/system.slice");
});

test.each<[string | undefined, CgroupDriver]>([
  [undefined, "cgroupfs"],
  ["/gantry/c1", "cgroupfs"],
  ["/a:b:c/c1", "cgroupfs"],
  ["a/b:c:d", "cgroupfs"],
  ["a:b", "cgroupfs"],
  ["system.slice:gantry:c1", "systemd"],
  [":gantry:c1", "systemd"],
])("driverOf(%p) is %s", (text, driver) => {
  expect(driverOf(text)).toBe(driver);
});
