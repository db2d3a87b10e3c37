/**
 * A container as the OCI specification, with Docker's meaning. Pure: the same input gives the same document, and every
 * default of a container can be read here. The facts are those of Docker's own config.json.
 */
import { fail } from "../../base/errors.ts";
import { capabilityNames, chooseCapabilities } from "../../linux/capabilities.ts";
import { type CgroupDriver, checkParentSlice } from "../../linux/cgroup-place.ts";
import type { HostFacts } from "../../linux/host-facts.ts";
import { isRlimitName, RLIM_INFINITY } from "../../linux/rlimits.ts";
import { defaultSeccomp, resolveProfile } from "../../linux/seccomp-profile.ts";
import { checkSysctl } from "../../linux/sysctl.ts";
import type { ContainerConfig, HostConfig, Ulimit } from "../../specs/engine/container.ts";
import type { Linux, NamespaceType, Process, Seccomp, Spec, SpecUser } from "../../specs/oci-runtime/spec.ts";
import { apparmorProfile } from "./apparmor-label.ts";
import { parseSecurityOptions, type SecurityOptions } from "./security-options.ts";
import type { SpecInput } from "./spec-input.ts";
import { buildMounts, rootPropagation } from "./spec-mounts.ts";
import { buildDevices, buildLimits } from "./spec-resources.ts";
import { parseGroup, parseUser } from "./user.ts";

const OCI_VERSION = "1.2.0";

const MAX_GROUP = 0x7fff_ffff;
const ALL_GROUPS = 0x1_0000_0000;

const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Files that tell about the host or reach its hardware: Docker's list, and Podman's for SELinux. */
const MASKED_PATHS: readonly string[] = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/sys/devices/virtual/powercap",
  "/sys/firmware",
  "/sys/fs/selinux",
];

export const DEFAULT_READONLY_PATHS: readonly string[] = [
  "/proc/bus",
  "/proc/fs",
  "/proc/irq",
  "/proc/sys",
  "/proc/sysrq-trigger",
];

export function defaultMaskedPaths(facts: Pick<HostFacts, "thermalThrottlePaths">): string[] {
  return [...MASKED_PATHS, ...facts.thermalThrottlePaths];
}

/**
 * Throws `invalid_argument` for what contradicts itself or is unsafe, worded as Docker's where clients can see it, and
 * `not_implemented` for what Docker has and this engine has not.
 */
export function buildSpec(input: SpecInput): Spec {
  const { hostname, config, host, facts } = input;
  const rights = rightsOf(host, facts);
  const isOwnUts = host.UTSMode !== "host";
  return {
    ociVersion: OCI_VERSION,
    process: buildProcess(config, host, rights),
    root: { path: "rootfs", readonly: host.ReadonlyRootfs },
    ...(isOwnUts && hostname !== "" ? { hostname } : {}),
    ...(isOwnUts && config.Domainname !== "" ? { domainname: config.Domainname } : {}),
    mounts: buildMounts(input),
    ...(host.Annotations === null ? {} : { annotations: host.Annotations }),
    linux: buildLinux(input, rights),
  };
}

/** The process alone: for an exec, whose namespaces, root and limits are the container's. */
export function buildExecProcess(config: ContainerConfig, host: HostConfig, facts: HostFacts): Process {
  return buildProcess(config, host, rightsOf(host, facts));
}

/** Checks at creation what `buildSpec` would only find at the start. Throws like it. */
export function checkSpecOptions(
  config: ContainerConfig,
  host: HostConfig,
  facts: HostFacts,
  cgroupDriver: CgroupDriver = "cgroupfs",
): void {
  buildExecProcess(config, host, facts);
  cgroupsPath(host.CgroupParent, "0", cgroupDriver);
  const notHost = new Set<NamespaceType>(["mount"]);
  if (host.NetworkMode !== "host") notHost.add("network");
  if (host.IpcMode !== "host") notHost.add("ipc");
  if (host.UTSMode !== "host") notHost.add("uts");
  for (const [key, value] of Object.entries(host.Sysctls ?? {})) checkSysctl(key, value, notHost);
}

// ---- the process ----

interface Rights {
  readonly capabilities: bigint;
  readonly security: SecurityOptions;
  /** AppArmor's; undefined where it is off. */
  readonly profile: string | undefined;
}

function rightsOf(host: HostConfig, facts: HostFacts): Rights {
  const wishes = { add: host.CapAdd ?? [], drop: host.CapDrop ?? [], privileged: host.Privileged };
  return {
    security: parseSecurityOptions(host.SecurityOpt ?? [], facts),
    capabilities: chooseCapabilities(wishes, facts.capabilities),
    profile: apparmorProfile(host, facts),
  };
}

function buildProcess(
  config: ContainerConfig,
  host: HostConfig,
  { capabilities, security, profile }: Rights,
): Process {
  const args = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
  if (args.length === 0) throw fail("invalid_argument", "no command specified");
  const cwd = config.WorkingDir === "" ? "/" : config.WorkingDir;
  if (!cwd.startsWith("/"))
    throw fail(
      "invalid_argument",
      `the working directory '${cwd}' is invalid, it needs to be an absolute path`,
    );
  const names = capabilityNames(capabilities);
  const [height, width] = host.ConsoleSize;
  return {
    ...(config.Tty ? { terminal: true } : {}),
    ...(config.Tty && height > 0 && width > 0 ? { consoleSize: { height, width } } : {}),
    user: buildUser(config.User, host.GroupAdd ?? []),
    args,
    env: buildEnvironment(config),
    cwd,
    // Never inheritable or ambient: a program of another user would get them by its file's capabilities.
    capabilities: { bounding: names, effective: names, permitted: names },
    ...(host.Ulimits === null ? {} : { rlimits: host.Ulimits.map(rlimit) }),
    ...(security.noNewPrivileges ? { noNewPrivileges: true } : {}),
    ...(profile === undefined ? {} : { apparmorProfile: profile }),
    oomScoreAdj: oomScore(host.OomScoreAdj),
  };
}

function buildUser(text: string, groupAdd: readonly string[]): SpecUser {
  const { user, group } = parseUser(text);
  return {
    uid: user.kind === "number" ? user.id : 0,
    gid: group.kind === "number" ? group.id : 0,
    gantryLookup: { user, group, additionalGroups: groupAdd.map(parseGroup) },
  };
}

/** Docker's own variables first; the user's replace them in their place or follow. "NAME" alone takes one away. */
function buildEnvironment(config: ContainerConfig): string[] {
  const variables = new Map([
    ["PATH", DEFAULT_PATH],
    ["HOSTNAME", config.Hostname],
    ...(config.Tty ? [["TERM", "xterm"] as const] : []),
  ]);
  for (const entry of config.Env ?? []) {
    const at = entry.indexOf("=");
    if (at < 0) variables.delete(entry);
    else variables.set(entry.slice(0, at), entry.slice(at + 1));
  }
  return [...variables].map(([name, value]) => `${name}=${value}`);
}

function rlimit({ Name, Soft, Hard }: Ulimit): NonNullable<Process["rlimits"]>[number] {
  if (!isRlimitName(Name)) throw fail("invalid_argument", `invalid ulimit type: ${Name.slice(0, 100)}`);
  const limit = (value: number): bigint => (value < 0 ? RLIM_INFINITY : BigInt(value));
  if (limit(Soft) > limit(Hard))
    throw fail(
      "invalid_argument",
      `ulimit soft limit must be less than or equal to hard limit: ${Soft} > ${Hard}`,
    );
  return { type: `RLIMIT_${Name.toUpperCase()}`, soft: limit(Soft), hard: limit(Hard) };
}

function oomScore(value: number): number {
  if (value < -1000 || value > 1000)
    throw fail("invalid_argument", `Invalid value ${value}, range for oom score adj is [-1000, 1000]`);
  return value;
}

// ---- linux ----

function buildLinux(input: SpecInput, rights: Rights): Linux {
  const { id, host, facts, mounts } = input;
  const seccomp = seccompOf(rights, input);
  const devices = buildDevices(host, input.devices);
  const namespaces = buildNamespaces(input);
  const notHost = new Set(namespaces.map(({ type }) => type));
  const propagation = rootPropagation(mounts);
  const isOpen = host.Privileged || rights.security.systemPathsUnconfined;
  return {
    namespaces,
    ...mappings(input.idMaps),
    ...(devices.nodes.length === 0 ? {} : { devices: devices.nodes }),
    cgroupsPath: cgroupsPath(host.CgroupParent, id, input.cgroupDriver ?? "cgroupfs"),
    resources: { devices: devices.rules, ...buildLimits(host, input.devices) },
    ...(propagation === undefined ? {} : { rootfsPropagation: propagation }),
    ...(seccomp === undefined ? {} : { seccomp }),
    sysctl: buildSysctls(input, notHost),
    maskedPaths: host.MaskedPaths ?? (isOpen ? [] : defaultMaskedPaths(facts)),
    readonlyPaths: host.ReadonlyPaths ?? (isOpen ? [] : DEFAULT_READONLY_PATHS),
  };
}

function buildNamespaces({
  host,
  network,
  idMaps,
  join,
  facts,
}: SpecInput): NonNullable<Linux["namespaces"]> {
  const namespaces: { readonly type: NamespaceType; readonly path?: string }[] = [{ type: "mount" }];
  // What another user namespace owns can be entered from there alone.
  if (idMaps !== undefined)
    namespaces.push({ type: "user", ...(join?.user === undefined ? {} : { path: join.user }) });
  if (network.kind === "path") namespaces.push({ type: "network", path: network.path });
  else if (network.kind === "none") namespaces.push({ type: "network" });
  if (host.UTSMode !== "host") namespaces.push({ type: "uts" });
  if (host.PidMode.startsWith("container:"))
    namespaces.push({ type: "pid", path: joined("PID", host.PidMode, join?.pid) });
  else if (host.PidMode !== "host") namespaces.push({ type: "pid" });
  if (host.IpcMode.startsWith("container:"))
    namespaces.push({ type: "ipc", path: joined("IPC", host.IpcMode, join?.ipc?.path) });
  else if (host.IpcMode !== "host") namespaces.push({ type: "ipc" });
  if (isOwnCgroup(host, facts)) namespaces.push({ type: "cgroup" });
  return namespaces;
}

function joined(what: string, mode: string, path: string | undefined): string {
  if (path === undefined)
    throw fail("internal", `${what} mode "${mode}": nobody has looked for that container`);
  return path;
}

function isOwnCgroup({ CgroupnsMode }: HostConfig, { cgroup }: HostFacts): boolean {
  return CgroupnsMode === "" ? cgroup.version === 2 : CgroupnsMode === "private";
}

/** With systemd a unit ("slice:prefix:name"): gantry-ID.scope, in the slice `parent`. Else a path. */
function cgroupsPath(parent: string, id: string, driver: CgroupDriver): string {
  if (driver === "cgroupfs") return cgroupPath(parent, id);
  if (parent !== "") checkParentSlice(parent);
  return `${parent === "" ? "system.slice" : parent}:gantry:${id}`;
}

/** A relative parent is below the root, too. One that climbs or has line breaks is refused: it becomes a host path. */
function cgroupPath(parent: string, id: string): string {
  const parts = parent.split("/").filter((part) => part !== "");
  const isSafe = parts.every((part) => /^[\w.@:-]{1,200}$/.test(part) && part !== "." && part !== "..");
  if (!isSafe || parts.length > 20)
    throw fail("invalid_argument", `invalid cgroup parent ${JSON.stringify(parent.slice(0, 200))}`);
  return parts.length === 0 ? `/gantry/${id}` : `/${parts.join("/")}/${id}`;
}

/** In a network namespace of its own a container may open low ports and ping without any capability. */
function buildSysctls(
  { host, network, idMaps }: SpecInput,
  notHost: ReadonlySet<NamespaceType>,
): Record<string, string> {
  const isShared = network.kind === "host" || host.NetworkMode.startsWith("container:");
  const sysctls = new Map(
    isShared
      ? []
      : [
          ["net.ipv4.ip_unprivileged_port_start", "0"],
          ["net.ipv4.ping_group_range", `0 ${lastGroup(idMaps)}`],
        ],
  );
  for (const [key, value] of Object.entries(host.Sysctls ?? {})) {
    checkSysctl(key, value, notHost);
    sysctls.set(key, value);
  }
  return Object.fromEntries(sysctls);
}

function mappings(idMaps: SpecInput["idMaps"]): Pick<Linux, "uidMappings" | "gidMappings"> {
  return idMaps === undefined ? {} : { uidMappings: idMaps.uidMappings, gidMappings: idMaps.gidMappings };
}

/** The kernel takes groups only that the user namespace has: those of the range that begins with root's. */
function lastGroup(idMaps: SpecInput["idMaps"]): number {
  const first = idMaps?.gidMappings.find(({ containerID }) => containerID === 0);
  return Math.min(MAX_GROUP, (first?.size ?? ALL_GROUPS) - 1);
}

function seccompOf(
  { security: { seccomp }, capabilities }: Rights,
  { host, facts, isSized = false }: SpecInput,
): Seccomp | undefined {
  if (seccomp.kind === "unconfined" || (seccomp.kind === "default" && host.Privileged)) return undefined;
  if (seccomp.kind === "profile") return resolveProfile(seccomp.profile, { capabilities, facts });
  // A kernel without seccomp runs containers without it, as with Docker; who asks for it by name is refused.
  if (!facts.seccomp && seccomp.kind === "default") return undefined;
  return defaultSeccomp({ capabilities, facts }, isSized ? "kept" : "free");
}
