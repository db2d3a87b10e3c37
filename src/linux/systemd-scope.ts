/** A container's scope, from its start to its end: docs/decisions/0006-systemd-cgroups.md. */
import type { LinuxResources } from "../specs/oci-runtime/resources.ts";
import { cgroupUpdate } from "./cgroup-settings.ts";
import { applySettings, cgroupVersion, readCgroupValues, takeBack } from "./cgroup-update.ts";
import { SystemdManager, type ManagerOptions } from "./systemd-manager.ts";
import { limitProperties, type ScopeOptions, scopeProperties } from "./systemd-properties.ts";

/**
 * Makes the scope and moves `pids` into it; its cgroup is there then. Throws `conflict` when a unit of that name lives,
 * `invalid_argument` for limits that cannot be. Whoever fails afterwards has nothing to take back: without processes the
 * scope ends by itself.
 */
export async function startScope(
  manager: ManagerOptions,
  unit: string,
  options: Omit<ScopeOptions, "systemdVersion">,
): Promise<void> {
  await using systemd = await SystemdManager.open(manager);
  const systemdVersion = await systemd.version();
  await systemd.startTransient(unit, scopeProperties({ ...options, systemdVersion }));
}

/**
 * New limits for a living scope, all of them or none: the kernel is asked first, by the files; systemd is told what they are
 * now, and writes its own idea of them, which is rounded; so they are written once more. Throws as `updateCgroup`.
 *
 * On crash: the cgroup may have new limits that systemd does not know; the next update tells it.
 */
export async function updateScope(
  manager: ManagerOptions,
  unit: string,
  dirs: readonly string[],
  resources: LinuxResources,
): Promise<void> {
  const version = await cgroupVersion(dirs);
  const settings = cgroupUpdate(version, resources, await readCgroupValues(dirs));
  await using systemd = await SystemdManager.open(manager);
  const properties = limitProperties(version, settings, await systemd.version());
  const before = await applySettings(dirs, settings);
  if (properties.length === 0) return;
  try {
    await systemd.setProperties(unit, properties);
  } catch (error) {
    await takeBack(before, error);
    throw error;
  }
  await applySettings(dirs, settings);
}

/** Ends the scope and whoever is left in it. Missing is fine. */
export async function stopScope(manager: ManagerOptions, unit: string): Promise<void> {
  await using systemd = await SystemdManager.open(manager);
  await systemd.stop(unit);
}
