/** The root file system's part of a plan: the root itself, mounts, devices, read-only and masked paths, console, pivot. */
import { posix } from "node:path";
import { fail } from "../base/errors.ts";
import type { HostFacts } from "../linux/host-facts.ts";
import { type MountOptions, parseMountOptions, PROPAGATION } from "../linux/mount-options.ts";
import type { LinuxDevice, Process, Spec, SpecMount } from "../specs/oci-runtime/spec.ts";
import { cgroupMounts } from "./compile-cgroup-mount.ts";
import type { CompileOptions } from "./compile.ts";
import { consoleStep } from "./compile-process.ts";
import { IDMAP, type PlanOp } from "./plan.ts";

/** Of directories made for mounts whose target is missing. */
export const MOUNTPOINT_MODE = 0o755;

export function rootSteps({ spec, rootfs, staging, taskId, facts }: CompileOptions): PlanOp[] {
  const propagation = rootPropagation(spec);
  const mounts = (spec.mounts ?? []).map(withCleanDestination);
  // A bound /dev is the user's own: nothing is made in it.
  const hasOwnDev = !mounts.some((mount) => mount.destination === "/dev" && isBind(mount));
  return [
    // Slave, not private: then what the host unmounts meanwhile is not kept busy by the copies in this namespace.
    { kind: "propagation", propagation: propagation ?? PROPAGATION.slave | PROPAGATION.rec },
    rootfs.kind === "overlay"
      ? {
          kind: "root-overlay",
          lowers: rootfs.lowers,
          upper: rootfs.upper,
          work: rootfs.work,
          // Without the index an upper directory can be mounted again while the kernel still holds the last mount.
          options: ["index=off"],
          staging,
          idmap: IDMAP.none,
        }
      : { kind: "root-bind", source: rootfs.source, staging, idmap: IDMAP.none },
    ...mounts.flatMap((mount) => mountSteps(mount, { spec, taskId, facts })),
    ...(hasOwnDev ? deviceSteps(spec) : []),
    ...(spec.linux?.readonlyPaths ?? []).map((path) => ({ kind: "readonly", path: absolute(path) }) as const),
    ...(spec.linux?.maskedPaths ?? []).map((path) => ({ kind: "mask", path: absolute(path) }) as const),
    ...terminalSteps(spec.process),
    { kind: "pivot", rootReadonly: spec.root?.readonly ?? false },
    ...(propagation === undefined ? [] : [{ kind: "root-propagation", propagation } as const]),
  ];
}

function terminalSteps(process: Process | undefined): PlanOp[] {
  return process?.terminal === true ? [consoleStep(process)] : [];
}

function rootPropagation(spec: Spec): bigint | undefined {
  const wish = spec.linux?.rootfsPropagation ?? "";
  if (wish === "") return undefined;
  const { propagation, data } = parseMountOptions([wish]);
  if (propagation === 0n || data.length > 0)
    throw fail("invalid_argument", `invalid root propagation "${wish}"`);
  return propagation;
}

function absolute(path: string): string {
  if (!path.startsWith("/")) throw fail("invalid_argument", `path "${path}" is not absolute`);
  return path;
}

function withCleanDestination(mount: SpecMount): SpecMount {
  const clean = posix.normalize(absolute(mount.destination));
  const destination = clean.length > 1 && clean.endsWith("/") ? clean.slice(0, -1) : clean;
  if (destination === "/") throw fail("invalid_argument", "a mount on / is not allowed");
  return { ...mount, destination };
}

function isBind({ type, options }: SpecMount): boolean {
  return type === "bind" || (options ?? []).some((option) => option === "bind" || option === "rbind");
}

interface MountContext {
  readonly spec: Spec;
  readonly taskId: string;
  readonly facts: HostFacts;
}

function mountSteps(mount: SpecMount, context: MountContext): PlanOp[] {
  checkNotInsideProc(mount);
  const options = parseMountOptions(mount.options ?? []);
  if (isBind(mount)) return [bindStep(mount, options)];
  const type = mount.type ?? "";
  if (type === "") throw fail("invalid_argument", `the mount on "${mount.destination}" has no type`);
  if (options.recursiveAttrs.set !== 0n || options.recursiveAttrs.clr !== 0n)
    throw fail("invalid_argument", `the new mount on "${mount.destination}" cannot have recursive options`);
  if (type === "cgroup" || type === "cgroup2") return cgroupMounts(mount.destination, options, context);
  return [
    {
      kind: "mount",
      // A tmpfs is open to everybody by default; in the place of a directory it should not be more open than that was.
      targetMode: type === "tmpfs" && !options.data.some((option) => option.startsWith("mode=")),
      copyUp: false,
      fstype: type,
      source: mount.source ?? type,
      target: mount.destination,
      options: options.data,
      attrs: options.attrs.set,
      propagation: options.propagation,
      dirMode: MOUNTPOINT_MODE,
      idmap: IDMAP.none,
    },
  ];
}

function bindStep(mount: SpecMount, options: MountOptions): PlanOp {
  const source = mount.source ?? "";
  if (!source.startsWith("/"))
    throw fail("invalid_argument", `the bind mount on "${mount.destination}" has no absolute source`);
  const [unknown] = options.data;
  if (unknown !== undefined)
    throw fail("invalid_argument", `unknown option "${unknown}" of the bind mount on "${mount.destination}"`);
  return {
    kind: "bind",
    recursive: options.bind === "rbind",
    targetFile: mount.gantryFile === true,
    idmapTree: false,
    source,
    target: mount.destination,
    attrSet: options.attrs.set,
    attrClr: options.attrs.clr,
    treeAttrSet: options.recursiveAttrs.set,
    treeAttrClr: options.recursiveAttrs.clr,
    propagation: options.propagation,
    idmap: IDMAP.none,
  };
}

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
function checkNotInsideProc(mount: SpecMount): void {
  const { destination, source } = mount;
  if (destination === "/proc") {
    if (mount.type !== "proc" && !(isBind(mount) && source === "/proc"))
      throw fail("invalid_argument", `"${destination}" cannot be mounted because it is not of type proc`);
  } else if (destination.startsWith("/proc/") && !COVERABLE_IN_PROC.has(destination))
    throw fail("invalid_argument", `"${destination}" cannot be mounted because it is inside /proc`);
}

const DEFAULT_DEVICES: readonly LinuxDevice[] = [
  { path: "/dev/null", type: "c", major: 1, minor: 3 },
  { path: "/dev/zero", type: "c", major: 1, minor: 5 },
  { path: "/dev/full", type: "c", major: 1, minor: 7 },
  { path: "/dev/random", type: "c", major: 1, minor: 8 },
  { path: "/dev/urandom", type: "c", major: 1, minor: 9 },
  { path: "/dev/tty", type: "c", major: 5, minor: 0 },
];

const DEV_SYMLINKS: readonly (readonly [path: string, value: string])[] = [
  ["/dev/ptmx", "pts/ptmx"],
  ["/dev/fd", "/proc/self/fd"],
  ["/dev/stdin", "/proc/self/fd/0"],
  ["/dev/stdout", "/proc/self/fd/1"],
  ["/dev/stderr", "/proc/self/fd/2"],
];

function deviceSteps(spec: Spec): PlanOp[] {
  const wanted = spec.linux?.devices ?? [];
  const named = new Set(wanted.map(({ path }) => path));
  const devices = [...DEFAULT_DEVICES.filter(({ path }) => !named.has(path)), ...wanted];
  return [
    // The host's /dev/ptmx would open the host's terminals: always the link to the container's own.
    ...devices.filter(({ path }) => path !== "/dev/ptmx").map(deviceStep),
    ...DEV_SYMLINKS.map(([path, value]) => ({ kind: "symlink", value, path }) as const),
  ];
}

function deviceStep({ path, type, major, minor, fileMode, uid, gid }: LinuxDevice): PlanOp {
  return {
    kind: "device",
    path: absolute(path),
    type: type === "u" ? "c" : type,
    major: major ?? 0,
    minor: minor ?? 0,
    mode: (fileMode ?? 0o666) & 0o7777,
    uid: uid ?? 0,
    gid: gid ?? 0,
  };
}
