import { statSync } from "node:fs";
import { errnoOf } from "../base/errors.ts";
import type { Spec, SpecMount } from "../specs/oci-runtime/spec.ts";

/**
 * Notes for each bind mount whether its source is a directory: config.json of others does not say so, but a missing
 * destination has to become one or the other. A missing source is left for init to complain about.
 */
export function markFileBinds(spec: Spec): Spec {
  return spec.mounts === undefined ? spec : { ...spec, mounts: spec.mounts.map(mark) };
}

function mark(mount: SpecMount): SpecMount {
  const isBind = mount.type === "bind" || (mount.options ?? []).some((option) => /^r?bind$/.test(option));
  if (!isBind || mount.gantryFile !== undefined || mount.source === undefined) return mount;
  try {
    return { ...mount, gantryFile: !statSync(mount.source).isDirectory() };
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return mount;
    throw error;
  }
}
