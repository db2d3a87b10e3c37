/** What the machine is for: were it not so, the tests in it would pass without saying anything. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";

test("the machine has cgroup v2 alone, systemd as init, AppArmor and an older kernel", () => {
  expect(existsSync("/sys/fs/cgroup/cgroup.controllers")).toBe(true);
  expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(" - cgroup ");
  expect(readFileSync("/proc/1/comm", "utf8")).toBe("systemd\n");
  expect(readFileSync("/sys/module/apparmor/parameters/enabled", "utf8")).toBe("Y\n");
  expect(readFileSync("/proc/sys/kernel/osrelease", "utf8")).toStartWith("6.1.");
});
