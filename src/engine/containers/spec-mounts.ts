/** The mounts of a container: Docker's defaults, what the user asked for, and the files that make names work. */
import type { SpecMount } from "../../specs/oci-runtime/spec.ts";
import { parseSecurityOptions } from "./security-options.ts";
import type { ResolvedMount, SpecInput } from "./spec-input.ts";

const DEFAULT_SHM_BYTES = 64 << 20;

/** Parents come before what is mounted inside them; of equal depth the order stays. */
export function buildMounts(input: SpecInput): SpecMount[] {
  const wanted = [...input.mounts.map(userMount), ...fileBinds(input)];
  const taken = new Set(input.mounts.map(({ destination }) => destination));
  const defaults = defaultMounts(input).filter(
    ({ destination }) => !taken.has(destination) && !(taken.has("/dev") && destination.startsWith("/dev/")),
  );
  return [...defaults, ...wanted.toSorted((a, b) => depth(a.destination) - depth(b.destination))];
}

function depth(path: string): number {
  return path.split("/").length;
}

function defaultMounts({ host, join, facts }: SpecInput): SpecMount[] {
  const readonly = host.Privileged ? [] : ["ro"];
  const { writableCgroups } = parseSecurityOptions(host.SecurityOpt ?? [], facts);
  const safe = ["nosuid", "noexec", "nodev"];
  return [
    { destination: "/proc", type: "proc", source: "proc", options: safe },
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    },
    { destination: "/sys", type: "sysfs", source: "sysfs", options: [...safe, ...readonly] },
    {
      destination: "/sys/fs/cgroup",
      type: "cgroup",
      source: "cgroup",
      options: [...(writableCgroups ? [] : readonly), ...safe],
    },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: safe },
    ...sharedMemory(host.IpcMode, host.ShmSize, join?.ipc?.mount),
  ];
}

/** `elsewhere`: the mount namespace of the container whose memory it is. */
function sharedMemory(ipcMode: string, size: number, elsewhere: string | undefined): SpecMount[] {
  const destination = "/dev/shm";
  if (ipcMode === "none") return [];
  if (elsewhere !== undefined)
    return [
      {
        destination,
        type: "bind",
        source: destination,
        options: ["bind", "rprivate"],
        gantryElsewhere: elsewhere,
      },
    ];
  if (ipcMode === "host")
    return [
      { destination, type: "bind", source: "/dev/shm", options: ["rbind", "rprivate"], gantryFile: false },
    ];
  const bytes = size === 0 ? DEFAULT_SHM_BYTES : size;
  const options = ["nosuid", "noexec", "nodev", "mode=1777", `size=${bytes}`];
  return [{ destination, type: "tmpfs", source: "shm", options }];
}

function userMount(mount: ResolvedMount): SpecMount {
  if (mount.kind === "tmpfs")
    return { destination: mount.destination, type: "tmpfs", source: "tmpfs", options: mount.options };
  const access = mount.readOnly ? [mount.recursiveReadOnly ? "rro" : "ro"] : [];
  return {
    destination: mount.destination,
    type: "bind",
    source: mount.source,
    options: [
      mount.recursive ? "rbind" : "bind",
      ...access,
      mount.propagation,
      ...(mount.runsPrograms === true ? ["exec", "suid", "dev"] : []),
    ],
    gantryFile: !mount.isDirectory,
    ...(mount.beneath === undefined ? {} : { gantryBeneath: mount.beneath }),
  };
}

function fileBinds({ files, host }: SpecInput): SpecMount[] {
  const access = host.ReadonlyRootfs ? ["rro"] : [];
  const bind = (destination: string, source: string | undefined): SpecMount[] =>
    source === undefined
      ? []
      : [{ destination, type: "bind", source, options: ["rbind", ...access, "rprivate"], gantryFile: true }];
  return [
    ...bind("/etc/resolv.conf", files.resolvConf),
    ...bind("/etc/hostname", files.hostname),
    ...bind("/etc/hosts", files.hosts),
  ];
}

/**
 * What the container's root mount must be so that the mounts below it can receive events (slave) or also send them
 * (shared). undefined = private.
 */
export function rootPropagation(mounts: readonly ResolvedMount[]): string | undefined {
  const wished = new Set(mounts.map((mount) => (mount.kind === "bind" ? mount.propagation : "")));
  if (wished.has("shared") || wished.has("rshared")) return "shared";
  return wished.has("slave") || wished.has("rslave") ? "rslave" : undefined;
}
