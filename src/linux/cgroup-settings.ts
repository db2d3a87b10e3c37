/**
 * Resource limits as writes to control files: pure, for both cgroup versions. cgroups(7), the kernel's
 * Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst. `cgroup-update.ts` reads and writes.
 */
import type { LinuxResources } from "../specs/oci-runtime/resources.ts";
import { type CgroupSetting, type CgroupValues, FRESH_CGROUP } from "./cgroup-setting.ts";
import { settingsV1 } from "./cgroup-settings-v1.ts";
import { settingsV2 } from "./cgroup-settings-v2.ts";

/** In the order in which a fresh cgroup accepts them. Throws `invalid_argument` for what contradicts itself. */
export function cgroupSettings(version: 1 | 2, resources: LinuxResources): CgroupSetting[] {
  return cgroupUpdate(version, resources, FRESH_CGROUP);
}

/**
 * In the order in which a living cgroup accepts them, which holds `now`: what is not in `resources` stays as it is. Throws
 * `invalid_argument` for what contradicts itself or what is there, and with `checkBeforeUpdate` for a limit that is already
 * exceeded. Devices are not its matter: their rules are for life.
 */
export function cgroupUpdate(version: 1 | 2, resources: LinuxResources, now: CgroupValues): CgroupSetting[] {
  return version === 1 ? settingsV1(resources, now) : settingsV2(resources, now);
}
