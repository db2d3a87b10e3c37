/** Who makes the cgroups of containers, by `exec-opts`: dockerd's key for it. docs/decisions/0016-cgroup-driver.md */
import { fail } from "../base/errors.ts";
import { type CgroupDriver, checkParentSlice } from "../linux/cgroup-place.ts";

/** Of several the first counts. Throws `invalid_argument` in dockerd's words. */
export function cgroupDriverOf(options: readonly string[]): CgroupDriver {
  const [driver = ""] = options.map(driverIn);
  return driver === "" ? "cgroupfs" : driver;
}

function driverIn(option: string): CgroupDriver | "" {
  const [key = "", value = ""] = option.split(/=(.*)/s);
  if (key.trim().toLowerCase() !== "native.cgroupdriver")
    throw fail("invalid_argument", `unknown exec option "${option.slice(0, 200)}"`);
  const driver = value.trim();
  if (driver === "systemd" || driver === "cgroupfs" || driver === "") return driver;
  throw fail(
    "invalid_argument",
    driver === "none"
      ? "native.cgroupdriver option none is internally used and cannot be specified manually"
      : `native.cgroupdriver option ${driver.slice(0, 100)} not supported`,
  );
}

/** Units lie in slices. Throws `invalid_argument` for a parent that is none. */
export function checkCgroupParent(parent: string, driver: CgroupDriver): void {
  if (driver === "systemd" && parent !== "") checkParentSlice(parent);
}

/** Throws `unavailable` when the driver has nobody to speak to. */
export function checkCgroupDriver(driver: CgroupDriver, isSystemdRunning: boolean): void {
  if (driver === "systemd" && !isSystemdRunning)
    throw fail(
      "unavailable",
      "native.cgroupdriver=systemd: systemd not running on this host, cannot use systemd cgroups manager",
    );
}
