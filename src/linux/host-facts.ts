/** What this host's kernel offers, read once at start (`readHostFacts`). Pure decisions take it as an argument. */
import { existsSync, readdirSync } from "node:fs";
import { arch, availableParallelism, release, totalmem } from "node:os";
import { join } from "node:path";
import { errnoOf, fail } from "../base/errors.ts";
import { readKernelFile } from "./kernel-file.ts";
import { parseNumberList } from "./cgroup-file.ts";
import { findMissingLimits, type KernelLimit } from "./missing-limits.ts";
import { findCgroupMounts, findCgroups, findOwnMemberFiles, findResctrl } from "./cgroup-facts.ts";

export interface HostFacts {
  readonly cgroup: CgroupFacts;
  /** What of a cgroup may be given to a user, by file name (/sys/kernel/cgroup/delegate). */
  readonly cgroupDelegate?: readonly string[];
  /** Where the resctrl file system is mounted. */
  readonly resctrl?: string;
  /** Of those that not every kernel has; absent = nobody has looked. */
  readonly missingLimits?: ReadonlySet<KernelLimit>;
  readonly cpuCount: number;
  /** Their numbers; absent where the kernel does not say. */
  readonly memoryNodes?: readonly number[];
  readonly memoryBytes: number;
  readonly kernelRelease: string;
  /** Highest capability number the kernel knows (/proc/sys/kernel/cap_last_cap). */
  readonly lastCapability: number;
  /** Mask of the capabilities that this process has and so can hand on; without all of them it is confined itself. */
  readonly capabilities: bigint;
  readonly architecture: "x86_64" | "aarch64" | "riscv64";
  readonly seccomp: boolean;
  readonly apparmor: boolean;
  /** The loaded profile of containers that ask for none; who loads it adds it. */
  readonly apparmorDefault?: string;
  readonly selinux: boolean;
  /** /sys/devices/system/cpu/cpuN/thermal_throttle directories that exist, to be masked. */
  readonly thermalThrottlePaths: readonly string[];
}

export type CgroupFacts =
  | {
      readonly version: 1;
      /** Controller → its hierarchy's mount point, and this process's own cgroup there. */
      readonly controllers: ReadonlyMap<string, { readonly mountPoint: string; readonly own: string }>;
    }
  | {
      readonly version: 2;
      readonly mountPoint: string;
      readonly own: string;
      readonly controllers: ReadonlySet<string>;
    };

const MAX_FILE_BYTES = 1 << 20;

/**
 * Looks at /proc and /sys. `root` is put before both, for tests; `pid` is the process whose cgroups and capabilities count,
 * one in the same namespaces. Throws `unavailable` for a host that cannot run
 * containers: an unknown architecture, no control groups.
 */
export function readHostFacts(root = "", pid: number | "self" = "self", kernel?: KernelFacts): HostFacts {
  const read = (path: string): string => readCapped(join(root, path));
  const status = read(`/proc/${pid}/status`);
  const mountinfo = read("/proc/self/mountinfo");
  const resctrl = findResctrl(mountinfo);
  const cgroup = findCgroups(mountinfo, read(`/proc/${pid}/cgroup`), (mountPoint) =>
    read(join(mountPoint, "cgroup.controllers")),
  );
  return {
    cgroup,
    missingLimits: findMissingLimits(cgroup, root),
    ...(resctrl === undefined ? {} : { resctrl }),
    ...(kernel ?? readKernelFacts(root, status)),
    cpuCount: availableParallelism(),
    ...memoryNodeFacts(readOptional(join(root, "/sys/devices/system/node/online"))),
    memoryBytes: totalmem(),
    capabilities: maskIn(status, "CapBnd") & maskIn(status, "CapPrm"),
    selinux: existsSync(join(root, "/sys/fs/selinux/enforce")),
    thermalThrottlePaths: findThermalThrottle(root),
  };
}

/** What stays as it is until the next boot. */
export type KernelFacts = Pick<
  HostFacts,
  "cgroupDelegate" | "kernelRelease" | "lastCapability" | "architecture" | "seccomp" | "apparmor"
>;

export function readKernelFacts(
  root = "",
  status: string = readCapped(join(root, "/proc/self/status")),
): KernelFacts {
  return {
    ...delegateFacts(readOptional(join(root, "/sys/kernel/cgroup/delegate"))),
    kernelRelease: release(),
    lastCapability: readLastCapability(readCapped(join(root, "/proc/sys/kernel/cap_last_cap"))),
    architecture: readArchitecture(),
    seccomp: /^Seccomp:/m.test(status) && existsSync(join(root, "/proc/sys/kernel/seccomp/actions_avail")),
    apparmor: readOptional(join(root, "/sys/module/apparmor/parameters/enabled")).startsWith("Y"),
  };
}

/** Of this process, at this moment: see `findOwnMemberFiles`. */
export function readOwnMemberFiles(): string[] {
  return findOwnMemberFiles(readCapped("/proc/self/mountinfo"), readCapped("/proc/self/cgroup"));
}

function memoryNodeFacts(text: string): Pick<HostFacts, "memoryNodes"> {
  const nodes = parseNumberList(text);
  return nodes.length === 0 ? {} : { memoryNodes: nodes };
}

/** Kernels before 4.15 have no such list. */
function delegateFacts(text: string): Pick<HostFacts, "cgroupDelegate"> {
  const names = text.split("\n").filter((name) => /^[a-z_]+\.[a-z_.]+$/.test(name));
  return names.length === 0 ? {} : { cgroupDelegate: names };
}

/** Where cgroup hierarchies are mounted now. */
export function readCgroupMounts(): readonly string[] {
  return findCgroupMounts(readCapped("/proc/self/mountinfo"));
}

function readArchitecture(): HostFacts["architecture"] {
  const name = arch();
  if (name === "x64") return "x86_64";
  if (name === "arm64") return "aarch64";
  if (name === "riscv64") return "riscv64";
  throw fail("unavailable", `the architecture "${name}" is not supported`);
}

function readLastCapability(text: string): number {
  const number = Number(text.trim());
  if (!Number.isInteger(number) || number < 0 || number > 63)
    throw fail("internal", `/proc/sys/kernel/cap_last_cap is ${JSON.stringify(text.slice(0, 40))}`);
  return number;
}

function maskIn(status: string, field: string): bigint {
  const hex = new RegExp(`^${field}:\\s*([0-9a-f]{1,16})$`, "m").exec(status)?.[1];
  if (hex === undefined) throw fail("internal", `/proc/self/status has no ${field}`);
  return BigInt(`0x${hex}`);
}

function findThermalThrottle(root: string): string[] {
  const cpus = "/sys/devices/system/cpu";
  return namesIn(join(root, cpus))
    .filter((name) => /^cpu\d+$/.test(name))
    .map((name) => join(cpus, name, "thermal_throttle"))
    .filter((path) => existsSync(join(root, path)));
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}

function readOptional(path: string): string {
  try {
    return readCapped(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return "";
    throw error;
  }
}

function readCapped(path: string): string {
  const text = readKernelFile(path, MAX_FILE_BYTES);
  if (text === undefined) throw fail("internal", `"${path}" has more than ${MAX_FILE_BYTES} bytes`);
  return text;
}
