import { statSync } from "node:fs";
import { resolve } from "node:path";
import { errnoOf } from "../base/errors.ts";
import type { Spec, SpecMount } from "../specs/oci-runtime/spec.ts";
import { isBindMount } from "./mount-options.ts";

/**
 * Notes for each bind mount whether its source is a directory: config.json of others does not say so, but a missing
 * destination has to become one or the other. Relative sources are below `bundle`. A missing source is left for init to
 * complain about.
 */
export function markFileBinds(spec: Spec, bundle = "/"): Spec {
  if (spec.mounts === undefined) return spec;
  return { ...spec, mounts: spec.mounts.map((mount) => mark(mount, bundle)) };
}

function mark(mount: SpecMount, bundle: string): SpecMount {
  if (!isBindMount(mount) || mount.gantryFile !== undefined || mount.source === undefined) return mount;
  try {
    return { ...mount, gantryFile: !statSync(resolve(bundle, mount.source)).isDirectory() };
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return mount;
    throw error;
  }
}
