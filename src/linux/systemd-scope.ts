/** A container's scope, from its start to its end: docs/decisions/0006-systemd-cgroups.md. */
import type { LinuxResources } from "../specs/oci-runtime/resources.ts";
import { cgroupUpdate } from "./cgroup-settings.ts";
import { applySettings, cgroupVersion, readCgroupValues } from "./cgroup-update.ts";
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
 * New limits for a living scope: systemd first, so that it does not write the old ones again; then the cgroup, which knows
 * more of them. Throws as `updateCgroup`. When the second fails, systemd keeps the new limits: the next update mends it.
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
  if (properties.length > 0) await systemd.setProperties(unit, properties);
  await applySettings(dirs, settings);
}

/** Ends the scope and whoever is left in it. Missing is fine. */
export async function stopScope(manager: ManagerOptions, unit: string): Promise<void> {
  await using systemd = await SystemdManager.open(manager);
  await systemd.stop(unit);
}
