/** The root file system's part of a plan: the root itself, mounts, devices, hooks, read-only and masked paths, console, pivot. */
import type { HostFacts } from "../linux/host-facts.ts";
import { isBindMount, parseMountOptions, PROPAGATION } from "../linux/mount-options.ts";
import { checkAbsolute, invalid, quoted } from "../specs/oci-runtime/refusal.ts";
import type { LinuxDevice, Process, Spec } from "../specs/oci-runtime/spec.ts";
import type { CompileOptions } from "./compile.ts";
import { hooksPlace } from "./compile-hooks.ts";
import { lateReadonlySteps, mountSteps, placedMounts } from "./compile-mounts.ts";
import { refuseRootWork } from "./compile-namespaces.ts";
import { consoleStep } from "./compile-process.ts";
import { HOOK_STAGE, IDMAP, type PlanOp } from "./plan.ts";

/**
 * Hooks of the create stage find the container's mounts and devices made and the host still in sight. What hides parts of
 * /proc comes behind them: it hides what hooks have mounted there, too.
 */
export function rootSteps(options: CompileOptions, idmaps: readonly number[]): PlanOp[] {
  const { spec, taskId, facts, bundle } = options;
  const propagation = rootPropagation(spec);
  const labelOptions = contextOption(spec, facts);
  const mounts = placedMounts(spec, idmaps);
  // A bound /dev is the user's own: nothing is made in it.
  const hasOwnDev = !mounts.some(({ mount, destination }) => destination === "/dev" && isBindMount(mount));
  return [
    { kind: "propagation", propagation: setupPropagation(propagation) },
    rootStep(options, labelOptions),
    ...mounts.flatMap((mount) => mountSteps(mount, { spec, taskId, facts, bundle, labelOptions })),
    ...(hasOwnDev ? deviceSteps(spec) : []),
    ...createHooks(spec),
    ...hiddenPaths("linux.readonlyPaths", spec.linux?.readonlyPaths).map(
      (path) => ({ kind: "readonly", path }) as const,
    ),
    ...hiddenPaths("linux.maskedPaths", spec.linux?.maskedPaths).map(
      (path) => ({ kind: "mask", path }) as const,
    ),
    ...terminalSteps(spec.process),
    ...lateReadonlySteps(mounts),
    { kind: "pivot", rootReadonly: spec.root?.readonly ?? false },
    ...(propagation === undefined ? [] : [{ kind: "root-propagation", propagation } as const]),
  ];
}

/** In a mount namespace of somebody else only hooks are left to be done. */
export function joinedRootSteps(spec: Spec): PlanOp[] {
  refuseRootWork(spec);
  return createHooks(spec);
}

function createHooks(spec: Spec): PlanOp[] {
  return [...hooksPlace(spec, HOOK_STAGE.runtime), ...hooksPlace(spec, HOOK_STAGE.container)];
}

function rootStep({ rootfs, staging }: CompileOptions, labelOptions: readonly string[]): PlanOp {
  const idmap = rootfs.idmapped === true ? IDMAP.container : IDMAP.none;
  if (rootfs.kind === "bind") return { kind: "root-bind", source: rootfs.source, staging, idmap };
  return {
    kind: "root-overlay",
    images: rootfs.images ?? false,
    lowers: rootfs.lowers,
    upper: rootfs.upper,
    work: rootfs.work,
    // Without the index an upper directory can be mounted again while the kernel still holds the last mount.
    options: ["index=off", ...labelOptions],
    staging,
    idmap,
  };
}

/** SELinux: every file of the mount has this label. */
function contextOption({ linux }: Spec, facts: HostFacts): string[] {
  const label = linux?.mountLabel ?? "";
  if (label === "") return [];
  if (!facts.selinux) throw invalid("linux.mountLabel", "is given, but SELinux is disabled or not supported");
  return [`context=${label}`];
}

function terminalSteps(process: Process | undefined): PlanOp[] {
  return process?.terminal === true ? [consoleStep(process)] : [];
}

function rootPropagation(spec: Spec): bigint | undefined {
  const wish = spec.linux?.rootfsPropagation ?? "";
  if (wish === "") return undefined;
  const { propagation } = parseMountOptions([wish]);
  if (propagation === 0n)
    throw invalid(
      "linux.rootfsPropagation",
      `${quoted(wish)} is not a root propagation: shared, slave, private, unbindable`,
    );
  return propagation;
}

/**
 * Of all mounts while the root is made. By default slave, not private: then what the host unmounts meanwhile is not kept
 * busy by the copies in this namespace. Not unbindable: the root, a bind mount, could not be made of anything.
 */
function setupPropagation(wish: bigint | undefined): bigint {
  if (wish === undefined) return PROPAGATION.slave | PROPAGATION.rec;
  return (wish & PROPAGATION.unbindable) === 0n ? wish : PROPAGATION.private | PROPAGATION.rec;
}

function hiddenPaths(field: string, paths: readonly string[] = []): readonly string[] {
  for (const [index, path] of paths.entries()) checkInside(path, `${field}[${index}]`);
  return paths;
}

/** ".." is harmless below a root, but nothing that anybody means. */
function checkInside(path: string, field: string): void {
  checkAbsolute(path, field);
  if (path.split("/").includes("..")) throw invalid(field, `${quoted(path)} has ".." in it`);
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
  return [
    ...DEFAULT_DEVICES.filter(({ path }) => !named.has(path)).map(deviceStep),
    ...wanted.flatMap((device, index) => {
      checkDevicePath(device.path, `linux.devices[${index}].path`);
      // The host's /dev/ptmx would open the host's terminals: always the link to the container's own.
      return device.path === "/dev/ptmx" ? [] : [deviceStep(device)];
    }),
    ...DEV_SYMLINKS.map(([path, value]) => ({ kind: "symlink", value, path }) as const),
  ];
}

function checkDevicePath(path: string, field: string): void {
  checkInside(path, field);
  const name = path.split("/").at(-1) ?? "";
  if (name === "" || name === "." || Buffer.byteLength(name) > 255)
    throw invalid(field, `${quoted(path)} does not end in a name`);
}

function deviceStep({ path, type, major, minor, fileMode, uid, gid }: LinuxDevice): PlanOp {
  return {
    kind: "device",
    path,
    type: type === "u" ? "c" : type,
    major: major ?? 0,
    minor: minor ?? 0,
    mode: (fileMode ?? 0o666) & 0o7777,
    uid: uid ?? 0,
    gid: gid ?? 0,
  };
}
