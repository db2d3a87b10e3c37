/** What a test needs from its machine. What is missing is named in the output, never passed over silently. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { describe } from "bun:test";

export type Requirement =
  | "root"
  | "docker-cli"
  | "docker-cli 28"
  | "docker-registry"
  | "cgroup1"
  | "cgroup2"
  | "apparmor"
  | "busybox"
  | "debootstrap"
  | "cc"
  | "libseccomp"
  | "x86_64"
  | "kernel log"
  | "podman"
  | "skopeo"
  | "umoci"
  | "oras"
  | "client libraries"
  | "docker-py"
  | "systemd"
  | "erofs"
  | "btrfs"
  | "ext4 quotas"
  | "xfs quotas"
  | "strace"
  | "recorded disk"
  | "br_netfilter"
  | "rsyslog"
  | "journald"
  | "nft"
  | "iptables-nft"
  | "macvlan"
  | "ipvlan"
  | "vlan"
  | "dummy links"
  | "native";

const ROOT = join(import.meta.dirname, "..", "..");

/** What is wanted, and what is there. */
const CLIENTS = [
  join(ROOT, "test", "conformance", "clients", "programs", "package-lock.json"),
  join(ROOT, "build", "clients", "installed-lock"),
] as const;

function hasCommand(name: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${name}`]).status === 0;
}

function saysVersion(name: string, version: RegExp): boolean {
  return version.test(spawnSync(name, ["--version"], { encoding: "utf8" }).stdout ?? "");
}

/** Whether the kernel makes such links, on one end of a veth pair. */
function hasLinks(...words: readonly string[]): boolean {
  const script = `ip link add on type veth peer name far && ip link add ${words.join(" ")}`;
  return process.getuid?.() === 0 && spawnSync("unshare", ["--net", "sh", "-c", script]).status === 0;
}

/** Whether the kernel mounts such a file system, which is made here. */
function canMount(format: string, option: string, mebibytes: number): boolean {
  const image = `/dev/shm/gt-probe.${process.pid}`;
  const script = [
    `truncate -s ${mebibytes}M ${image}`,
    `${format} ${image}`,
    `mount -o loop,${option} ${image} /mnt`,
  ].join(" && ");
  const { status } = spawnSync("unshare", ["--mount", "sh", "-c", script], { timeout: 120_000 });
  rmSync(image, { force: true });
  return status === 0;
}

function isAtLeast(major: number, minor: number): boolean {
  const [its = 0, itsMinor = 0] = release().split(".").map(Number);
  return its > major || (its === major && itsMinor >= minor);
}

const CHECKS: Readonly<Record<Requirement, () => boolean>> = {
  root: () => process.getuid?.() === 0,
  "docker-cli": () => hasCommand("docker"),
  /** Words of clients change from version to version; those of this one are recorded. */
  "docker-cli 28": () => saysVersion("docker", /version 28\./),
  "docker-registry": () => hasCommand("docker-registry"),
  cgroup1: () => readFileSync("/proc/self/mountinfo", "utf8").includes(" - cgroup "),
  cgroup2: () => existsSync("/sys/fs/cgroup/cgroup.controllers"),
  apparmor: () =>
    existsSync("/sys/module/apparmor/parameters/enabled") &&
    readFileSync("/sys/module/apparmor/parameters/enabled", "utf8").startsWith("Y") &&
    hasCommand("apparmor_parser"),
  busybox: () => existsSync("/bin/busybox"),
  podman: () => hasCommand("podman"),
  skopeo: () => hasCommand("skopeo"),
  umoci: () => hasCommand("umoci"),
  oras: () => hasCommand("oras"),
  /** Installed by tools/test.sh: the packages of test/conformance/clients/programs. */
  "client libraries": () =>
    CLIENTS.every((path) => existsSync(path)) &&
    readFileSync(CLIENTS[0], "utf8") === readFileSync(CLIENTS[1], "utf8"),
  "docker-py": () =>
    ["/usr/bin/python3", "python3"].some((python) => spawnSync(python, ["-c", "import docker"]).status === 0),
  /** As init: sd_booted(3). */
  systemd: () => existsSync("/run/systemd/system") && hasCommand("systemctl"),
  br_netfilter: () => existsSync("/proc/sys/net/bridge"),
  rsyslog: () => hasCommand("rsyslogd"),
  /** Its program, to be started by the test. */
  journald: () => existsSync("/lib/systemd/systemd-journald") && hasCommand("journalctl"),
  nft: () => hasCommand("nft"),
  "iptables-nft": () => hasCommand("iptables-nft"),
  strace: () => hasCommand("strace"),
  /** A loop device in front of QEMU's storage daemon. */
  "recorded disk": () =>
    existsSync("/dev/fuse") && existsSync("/dev/loop-control") && hasCommand("qemu-storage-daemon"),
  macvlan: () => hasLinks("link", "on", "name", "x", "type", "macvlan"),
  ipvlan: () => hasLinks("link", "on", "name", "x", "type", "ipvlan"),
  /** 802.1Q */
  vlan: () => hasLinks("link", "on", "name", "x", "type", "vlan", "id", "7"),
  "dummy links": () => hasLinks("name", "x", "type", "dummy"),
  debootstrap: () => hasCommand("debootstrap"),
  cc: () => hasCommand("cc"),
  x86_64: () => process.arch === "x64",
  /** Audit records of seccomp go there when nobody else takes them. */
  "kernel log": () => process.getuid?.() === 0 && existsSync("/dev/kmsg") && !existsSync("/run/auditd.pid"),
  /** With its header and a compiler. */
  libseccomp: () => existsSync("/usr/include/seccomp.h") && hasCommand("cc"),
  /** Mounted from files: Linux 6.12. */
  erofs: () => readFileSync("/proc/filesystems", "utf8").includes("\terofs\n") && isAtLeast(6, 12),
  btrfs: () => hasCommand("mkfs.btrfs") && readFileSync("/proc/filesystems", "utf8").includes("\tbtrfs\n"),
  /** With the program that reports them. */
  "ext4 quotas": () => hasCommand("xfs_quota") && canMount("mkfs.ext4 -q -O project,quota", "prjquota", 64),
  "xfs quotas": () => hasCommand("xfs_quota") && canMount("mkfs.xfs -q", "pquota", 400),
  /** `make -C native` was run. */
  native: () => ["gantry-shim", "gantry.node"].every((name) => existsSync(join(ROOT, "build", name))),
};

/** `describe` that runs only where everything needed is there; else one line says what is missing. */
export function describeWith(title: string, needs: readonly Requirement[], body: () => void): void {
  const missing = needs.filter((need) => !CHECKS[need]());
  if (missing.length === 0) {
    describe(title, body);
    return;
  }
  console.log(`skipped: ${title}: this machine lacks ${missing.join(", ")}`);
  describe.skip(`${title} (needs ${missing.join(", ")})`, body);
}
