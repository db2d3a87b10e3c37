/** Id-mapped mounts: which mount of the specification has which mapping. mount_setattr(2), MOUNT_ATTR_IDMAP */
import { idMapText } from "../linux/id-maps.ts";
import { at, invalid } from "../specs/oci-runtime/refusal.ts";
import type { Spec, SpecMount } from "../specs/oci-runtime/spec.ts";
import type { Namespaces } from "./compile-namespaces.ts";
import { IDMAP, type IdmapOp } from "./plan.ts";

/** The C program holds one descriptor for each. */
const MAX_IDMAPS = 64;

export interface MountIdmaps {
  readonly ops: readonly IdmapOp[];
  /** For each mount of the specification: 0, IDMAP.container, or the id of one of the ops. */
  readonly ids: readonly number[];
}

/** Equal mappings are made once, and the container's own ones not again. */
export function mountIdmaps(spec: Spec, { own, notHost }: Namespaces): MountIdmaps {
  const ops: IdmapOp[] = [];
  const known = new Map<string, number>();
  if (own.has("user")) known.set(containerKey(spec), IDMAP.container);
  const ids = (spec.mounts ?? []).map((mount, index) => {
    const wanted = wantedMaps(mount, `mounts[${index}]`);
    if (wanted === "none") return IDMAP.none;
    if (wanted === "container") {
      if (notHost.has("user")) return IDMAP.container;
      throw invalid(
        `mounts[${index}]`,
        "is to be id-mapped, but has no mappings and there is no user namespace",
      );
    }
    const key = `${wanted.uidMap}/${wanted.gidMap}`;
    const before = known.get(key);
    if (before !== undefined) return before;
    if (ops.length === MAX_IDMAPS)
      throw invalid("mounts", `have more than ${MAX_IDMAPS} different id mappings`);
    const id = ops.length + 1;
    known.set(key, id);
    ops.push({ kind: "idmap", id, ...wanted });
    return id;
  });
  return { ops, ids };
}

type Maps = Pick<IdmapOp, "uidMap" | "gidMap">;

function containerKey({ linux }: Spec): string {
  return `${idMapText(linux?.uidMappings ?? [])}/${idMapText(linux?.gidMappings ?? [])}`;
}

/** Mappings alone are wish enough: runc takes them without the option, too. */
function wantedMaps(mount: SpecMount, path: string): Maps | "container" | "none" {
  const { uidMappings, gidMappings, options = [] } = mount;
  if (uidMappings !== undefined || gidMappings !== undefined) {
    if (uidMappings === undefined || gidMappings === undefined)
      throw invalid(path, "has mappings for users or groups only: both are needed");
    return {
      uidMap: at(`${path}.uidMappings`, () => idMapText(uidMappings)),
      gidMap: at(`${path}.gidMappings`, () => idMapText(gidMappings)),
    };
  }
  return options.some((option) => option === "idmap" || option === "ridmap") ? "container" : "none";
}
