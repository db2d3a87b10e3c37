/**
 * Who makes a container's cgroup, and where it is: `--systemd-cgroup` at its creation, its record afterwards. The rest of
 * this runtime knows paths alone.
 */
import { type CgroupPlace, cgroupPlace } from "../linux/cgroup-place.ts";
import { type RdtGroup, rdtGroup } from "../linux/intel-rdt.ts";
import type { HostFacts } from "../linux/host-facts.ts";
import { decodeSpec } from "../specs/oci-runtime/decode.ts";
import type { Spec } from "../specs/oci-runtime/spec.ts";
import type { Container } from "./container.ts";

export interface Placed {
  /** `cgroupsPath` is the path that the unit stands for. */
  readonly spec: Spec;
  readonly scope?: NonNullable<CgroupPlace["scope"]>;
}

/** Throws `invalid_argument` for a `cgroupsPath` in the other driver's notation. */
export function placeCgroup(spec: Spec, id: string, isSystemd: boolean): Placed {
  if (!isSystemd) return { spec };
  const { path, scope } = cgroupPlace(spec.linux?.cgroupsPath, id, "systemd");
  return {
    spec: { ...spec, linux: { ...spec.linux, cgroupsPath: path } },
    ...(scope === undefined ? {} : { scope }),
  };
}

/** What an existing container was created from. */
export function recordedSpec({ id, record }: Container): Spec {
  return placeCgroup(decodeSpec(record.config), id, record.scope !== undefined).spec;
}

/** Its class of service; undefined: it asked for none. Throws `invalid_argument` when resctrl is not mounted. */
export function rdtGroupOf({ linux }: Spec, id: string, { resctrl }: HostFacts): RdtGroup | undefined {
  return linux?.intelRdt === undefined ? undefined : rdtGroup(linux.intelRdt, id, resctrl);
}
