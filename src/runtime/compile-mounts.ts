/** Mounts of a specification as steps of a plan. */
import { posix } from "node:path";
import type { HostFacts } from "../linux/host-facts.ts";
import {
  changed,
  isBindMount,
  MOUNT_ATTR,
  type MountOptions,
  parseMountOptions,
} from "../linux/mount-options.ts";
import { at, checkAbsolute, invalid, quoted, unsupported } from "../specs/oci-runtime/refusal.ts";
import type { Spec, SpecMount } from "../specs/oci-runtime/spec.ts";
import { cgroupMounts } from "./compile-cgroup-mount.ts";
import { checkMapped } from "./compile-namespaces.ts";
import { IDMAP, type PlanOp } from "./plan.ts";

/** Of directories made for mounts whose target is missing. */
const MOUNTPOINT_MODE = 0o755;

export interface MountContext {
  readonly spec: Spec;
  readonly taskId: string;
  readonly facts: HostFacts;
  /** Relative sources of bind mounts are below it. */
  readonly bundle: string | undefined;
  /** Of every new file system. */
  readonly labelOptions: readonly string[];
}

/** `destination` is clean; `path` is the mount's place in the document, `idmap` its mapping. */
export interface PlacedMount {
  readonly mount: SpecMount;
  readonly destination: string;
  readonly path: string;
  readonly idmap: number;
  /** Something is made in it later on: what is to be read-only is so at the end. */
  readonly isFilled: boolean;
}

/** Relative destinations are below "/", as the specification demands for the sake of old documents. */
export function placedMounts(spec: Spec, idmaps: readonly number[]): PlacedMount[] {
  const placed = (spec.mounts ?? []).map((mount, index) => {
    const path = `mounts[${index}]`;
    const clean = posix.normalize(`/${mount.destination}`);
    const destination = clean.length > 1 && clean.endsWith("/") ? clean.slice(0, -1) : clean;
    if (destination === "/") throw invalid(`${path}.destination`, "is /: a mount on / is not allowed");
    checkAbsolute(destination, `${path}.destination`);
    return { mount, destination, path, idmap: idmaps[index] ?? IDMAP.none };
  });
  const filled = new Set<string>();
  for (const device of ["/dev/null", ...(spec.linux?.devices ?? []).map(({ path }) => path)])
    addDirectoriesAbove(device, filled);
  // Backwards, so that what is known of is what comes later; each once, however many mounts there are.
  const result = placed.toReversed().map((one) => {
    const isFilled = filled.has(one.destination);
    addDirectoriesAbove(one.destination, filled);
    return { ...one, isFilled };
  });
  return result.reverse();
}

/** "/a/b/c": "/a/b" and "/a". What is known already has those above it known, too. */
function addDirectoriesAbove(path: string, known: Set<string>): void {
  for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
    const above = path.slice(0, at);
    if (known.has(above)) return;
    known.add(above);
  }
}

/** Read-only file systems that were writable until everything in them was there. */
export function lateReadonlySteps(mounts: readonly PlacedMount[]): PlanOp[] {
  return mounts
    .filter(
      ({ mount, isFilled }) => isFilled && mount.type === "tmpfs" && !isBindMount(mount) && isReadonly(mount),
    )
    .map(({ destination }) => ({ kind: "readonly", top: true, path: destination }));
}

function isReadonly({ options = [] }: SpecMount): boolean {
  const { attrs, recursiveAttrs } = parseMountOptions(options);
  return (changed(recursiveAttrs, attrs).set & MOUNT_ATTR.rdonly) !== 0n;
}

export function mountSteps(placed: PlacedMount, context: MountContext): PlanOp[] {
  checkNotInsideProc(placed);
  const { mount, destination, path } = placed;
  const options = at(`${path}.options`, () => parseMountOptions(mount.options ?? []));
  if (isBindMount(mount)) return [bindStep(placed, options, context)];
  const type = mount.type ?? "";
  if (type === "")
    throw invalid(`${path}.type`, `is missing: the mount on ${quoted(destination)} has no type`);
  if (options.remount)
    throw unsupported(
      `${path}.options`,
      `remount: what is mounted on ${quoted(destination)} is not changed later`,
    );
  if (options.copyUp && type !== "tmpfs")
    throw invalid(`${path}.options`, `have tmpcopyup, which is for tmpfs, not for ${quoted(type)}`);
  if (type === "cgroup" || type === "cgroup2") {
    if (placed.idmap !== IDMAP.none) throw invalid(path, "is to be id-mapped, which no cgroup mount can be");
    return cgroupMounts(destination, options, context);
  }
  return [mountStep(placed, type, options, context)];
}

function mountStep(
  { mount, destination, path, idmap, isFilled }: PlacedMount,
  type: string,
  options: MountOptions,
  { spec, labelOptions }: MountContext,
): PlanOp {
  const source = mount.source ?? type;
  // A new mount is its whole tree.
  const attrs = changed(options.recursiveAttrs, options.attrs).set;
  checkKeys(options.data, path);
  checkOwners(spec, options.data, path);
  return {
    kind: "mount",
    // A tmpfs is open to everybody by default; in the place of a directory it should not be more open than that was.
    targetMode: type === "tmpfs" && !options.data.some((option) => option.startsWith("mode=")),
    copyUp: options.copyUp,
    fstype: type,
    source,
    target: destination,
    options: [
      ...options.superblock,
      ...options.data,
      // A device that cannot be written to can only be opened like this.
      ...(source.startsWith("/") && (attrs & MOUNT_ATTR.rdonly) !== 0n ? ["ro"] : []),
      ...(NOT_LABELLED.has(type) ? [] : labelOptions),
    ],
    attrs: isFilled && type === "tmpfs" ? attrs & ~MOUNT_ATTR.rdonly : attrs,
    propagation: options.propagation,
    dirMode: MOUNTPOINT_MODE,
    idmap,
  };
}

/** The kernel labels what is in these file by file, by its own rules. */
const NOT_LABELLED: ReadonlySet<string> = new Set(["proc", "sysfs"]);

/** The kernel's filesystems have none of more than a few letters; fsconfig(2) takes 255. */
const MAX_KEY = 63;

function checkKeys(data: readonly string[], path: string): void {
  for (const option of data) {
    const [key = ""] = option.split("=", 1);
    if (key === "" || Buffer.byteLength(key) > MAX_KEY)
      throw invalid(`${path}.options`, `have ${quoted(option)}, which has no name or too long a one`);
  }
}

/** devpts and tmpfs: the kernel says EINVAL to an owner that the user namespace does not have. */
function checkOwners(spec: Spec, data: readonly string[], path: string): void {
  for (const option of data) {
    const [, kind, number] = /^([ug]id)=(\d{1,10})$/.exec(option) ?? [];
    if (kind === "uid") checkMapped(spec, "uidMappings", Number(number), `${path}.options: uid`);
    if (kind === "gid") checkMapped(spec, "gidMappings", Number(number), `${path}.options: gid`);
  }
}

/**
 * Nothing that the source has is taken off unless the options say so by name ("rw", "exec"): what another user
 * namespace has locked stays as it is, and "remount", which asks for just that, changes nothing.
 */
function bindStep(
  { mount, destination, path, idmap }: PlacedMount,
  options: MountOptions,
  { bundle }: MountContext,
): PlanOp {
  const [unknown] = options.data;
  if (unknown !== undefined)
    throw invalid(`${path}.options`, `have an unknown option ${quoted(unknown)} for a bind mount`);
  if (options.copyUp)
    throw invalid(`${path}.options`, "have tmpcopyup, which is for tmpfs, not for a bind mount");
  return {
    kind: "bind",
    recursive: options.bind === "rbind",
    targetFile: mount.gantryFile === true,
    idmapTree: idmap !== IDMAP.none && options.idmap === "ridmap",
    elsewhere: mount.gantryElsewhere !== undefined,
    source: mount.gantryElsewhere ?? bindSource(mount, path, bundle),
    target: destination,
    attrSet: options.attrs.set,
    attrClr: options.attrs.clr,
    treeAttrSet: options.recursiveAttrs.set,
    treeAttrClr: options.recursiveAttrs.clr,
    propagation: options.propagation,
    idmap,
    beneath: mount.gantryElsewhere === undefined ? (mount.gantryBeneath ?? "") : (mount.source ?? ""),
  };
}

function bindSource({ source = "" }: SpecMount, path: string, bundle: string | undefined): string {
  if (source.startsWith("/")) return checkAbsolute(source, `${path}.source`);
  if (source === "" || bundle === undefined)
    throw invalid(`${path}.source`, `is ${quoted(source)}: the bind mount has no absolute source`);
  return checkAbsolute(posix.resolve(bundle, source), `${path}.source`);
}

// ---- /proc ----

/** Files of /proc that other tools (lxcfs, CRIU) are known to cover. runc has the same list. */
const COVERABLE_IN_PROC: ReadonlySet<string> = new Set(
  [
    "cpuinfo",
    "diskstats",
    "meminfo",
    "stat",
    "swaps",
    "uptime",
    "loadavg",
    "slabinfo",
    "net/dev",
    "sys/kernel/ns_last_pid",
    "sys/crypto/fips_enabled",
  ].map((name) => `/proc/${name}`),
);

/**
 * Whatever covers /proc could hide the masked paths, or take the writes that init means for the kernel. Only procfs may:
 * a new one, or the host's own by its own name.
 */
function checkNotInsideProc({ mount, destination, path }: PlacedMount): void {
  if (destination === "/proc") {
    const isProcfs = isBindMount(mount) ? mount.source === "/proc" : mount.type === "proc";
    if (!isProcfs)
      throw invalid(
        `${path}.destination`,
        `"${destination}" cannot be mounted because it is not of type proc`,
      );
  } else if (destination.startsWith("/proc/") && !COVERABLE_IN_PROC.has(destination))
    throw invalid(
      `${path}.destination`,
      `${quoted(destination)} cannot be mounted because it is inside /proc`,
    );
}
