/** The namespaces of a plan: which are made, which are joined, and what may therefore be changed. */
import { idMapText, isMapped } from "../linux/id-maps.ts";
import { CLONE_NEW } from "../linux/namespaces.ts";
import { at, checkAbsolute, invalid, quoted, unsupported } from "../specs/oci-runtime/refusal.ts";
import type { IdMapping, NamespaceType, Process, Spec, TimeOffset } from "../specs/oci-runtime/spec.ts";
import type { NsPathOp, PlanOp } from "./plan.ts";

export interface Namespaces {
  /** Of clone3: the user, cgroup and time namespaces are made in other ways. */
  readonly cloneFlags: number;
  readonly own: ReadonlySet<NamespaceType>;
  /** Own or joined by path: not the host's. */
  readonly notHost: ReadonlySet<NamespaceType>;
  /** A mount namespace of somebody else: it has a root already. */
  readonly joinsMount: boolean;
  /** `ns-path` and `userns`, in the order of setns(2): user first, so that its rights reach the others, mount last. */
  readonly ops: readonly PlanOp[];
}

const NOT_CLONED: ReadonlySet<NamespaceType> = new Set(["user", "cgroup", "time"]);

export function readNamespaces(spec: Spec): Namespaces {
  let cloneFlags = 0;
  const own = new Set<NamespaceType>();
  const notHost = new Set<NamespaceType>();
  const listed = new Set<NamespaceType>();
  const joined = new Map<NamespaceType, NsPathOp>();
  for (const [index, { type, path = "", gantryHost }] of (spec.linux?.namespaces ?? []).entries()) {
    const place = `linux.namespaces[${index}]`;
    if (listed.has(type)) throw invalid(place, `is wrong: the ${type} namespace is listed twice`);
    listed.add(type);
    // Joining the namespace that one is in changes nothing; for the user namespace the kernel refuses it.
    if (gantryHost === true) continue;
    notHost.add(type);
    if (path === "") {
      own.add(type);
      if (!NOT_CLONED.has(type)) cloneFlags |= CLONE_NEW[type];
    } else {
      checkAbsolute(path, `${place}.path`);
      joined.set(type, { kind: "ns-path", cloneFlag: CLONE_NEW[type], path });
    }
  }
  if (!notHost.has("mount"))
    throw invalid(
      "linux.namespaces",
      "has no mount namespace: a container needs a mount namespace of its own",
    );
  checkMappings(spec, own, notHost);
  return {
    cloneFlags,
    own,
    notHost,
    joinsMount: joined.has("mount"),
    ops: [...(own.has("user") ? [usernsStep(spec)] : []), ...inSetnsOrder(joined)],
  };
}

function inSetnsOrder(joined: ReadonlyMap<NamespaceType, NsPathOp>): NsPathOp[] {
  const rank = (type: NamespaceType): number => (type === "user" ? 0 : type === "mount" ? 2 : 1);
  return [...joined].toSorted(([a], [b]) => rank(a) - rank(b)).map(([, op]) => op);
}

// ---- the user namespace ----

/**
 * With a path, too, mappings may be given: containerd and CRI-O write both. The namespace has its own already, so they
 * are only what ids are checked against.
 */
function checkMappings(
  spec: Spec,
  own: ReadonlySet<NamespaceType>,
  notHost: ReadonlySet<NamespaceType>,
): void {
  for (const field of ["uidMappings", "gidMappings"] as const) {
    const isGiven = (spec.linux?.[field] ?? []).length > 0;
    if (own.has("user") && !isGiven)
      throw invalid(`linux.${field}`, "is missing: a user namespace of its own has no ids without mappings");
    if (!notHost.has("user") && isGiven)
      throw invalid(`linux.${field}`, "is given, but no user namespace is listed in linux.namespaces");
    if (isGiven) at(`linux.${field}`, () => idMapText(spec.linux?.[field] ?? []));
  }
}

function usernsStep({ linux }: Spec): PlanOp {
  return {
    kind: "userns",
    uidMap: idMapText(linux?.uidMappings ?? []),
    gidMap: idMapText(linux?.gidMappings ?? []),
  };
}

/** Ids that mean nobody in the user namespace: the kernel would only say EINVAL, or show the files as nobody's. */
export function checkMappedIds(spec: Spec, process: Process): void {
  const { uid, gid, additionalGids = [], gantryLookup } = process.user;
  if (gantryLookup !== undefined) return;
  checkMapped(spec, "uidMappings", uid, "process.user.uid");
  checkMapped(spec, "gidMappings", gid, "process.user.gid");
  for (const [index, group] of additionalGids.entries())
    checkMapped(spec, "gidMappings", group, `process.user.additionalGids[${index}]`);
}

export function checkMapped(
  spec: Spec,
  field: "uidMappings" | "gidMappings",
  id: number,
  path: string,
): void {
  const mappings: readonly IdMapping[] = spec.linux?.[field] ?? [];
  if (mappings.length > 0 && !isMapped(id, mappings))
    throw invalid(path, `${id} is not mapped by linux.${field}: invalid argument`);
}

// ---- time ----

const CLOCKS: ReadonlySet<string> = new Set(["monotonic", "boottime"]);

/** time_namespaces(7): offsets can be set before the first process enters, so only of a namespace of one's own. */
export function timeSteps(spec: Spec, { own }: Namespaces): PlanOp[] {
  const offsets = Object.entries(spec.linux?.timeOffsets ?? {});
  if (!own.has("time")) {
    if (offsets.length > 0)
      throw invalid("linux.timeOffsets", "is given, but there is no time namespace of the container's own");
    return [];
  }
  return [
    { kind: "time-offsets", offsets: offsets.map(([clock, offset]) => offsetLine(clock, offset)).join("") },
  ];
}

function offsetLine(clock: string, { secs = 0n, nanosecs = 0 }: TimeOffset): string {
  if (!CLOCKS.has(clock))
    throw invalid(`linux.timeOffsets[${quoted(clock)}]`, "is no clock that a time namespace has");
  return `${clock} ${secs} ${nanosecs}\n`;
}

/** What needs a mount namespace that this plan sets up. */
export function refuseRootWork(spec: Spec): void {
  const lists = { mounts: spec.mounts, ...rootLists(spec) };
  for (const [field, list] of Object.entries(lists))
    if ((list ?? []).length > 0) throw unsupported(field, "the mount namespace is joined, not made");
  if ((spec.linux?.rootfsPropagation ?? "") !== "")
    throw unsupported("linux.rootfsPropagation", "the mount namespace is joined, not made");
  if (spec.root?.readonly === true)
    throw unsupported("root.readonly", "the mount namespace is joined, not made");
  if (spec.process?.terminal === true)
    throw unsupported("process.terminal", "the mount namespace is joined, not made");
}

function rootLists({ linux }: Spec): Readonly<Record<string, readonly unknown[] | undefined>> {
  return {
    "linux.devices": linux?.devices,
    "linux.maskedPaths": linux?.maskedPaths,
    "linux.readonlyPaths": linux?.readonlyPaths,
  };
}
