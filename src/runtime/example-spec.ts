/** The config.json that `spec` writes: the same container as runc's, so that guides written for it hold. */
import type { Capabilities, Spec, SpecMount } from "../specs/oci-runtime/spec.ts";

const KEPT = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];
const CAPABILITIES: Capabilities = { bounding: KEPT, effective: KEPT, permitted: KEPT };
const QUIET = ["nosuid", "noexec", "nodev"];
const OPEN_FILES = 1024n;

/** With `owner` in a user namespace that maps its root to this user and needs no privilege on the host. */
export function exampleSpec(owner?: { readonly uid: number; readonly gid: number }): unknown {
  const spec: Spec = {
    ociVersion: "1.2.0",
    process: {
      terminal: true,
      user: { uid: 0, gid: 0 },
      args: ["sh"],
      env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
      cwd: "/",
      capabilities: CAPABILITIES,
      rlimits: [{ type: "RLIMIT_NOFILE", hard: OPEN_FILES, soft: OPEN_FILES }],
      noNewPrivileges: true,
    },
    root: { path: "rootfs", readonly: true },
    hostname: "runc",
    mounts: mounts(owner !== undefined),
    linux: {
      ...(owner === undefined
        ? { resources: { devices: [{ allow: false, access: "rwm" }] } }
        : {
            uidMappings: [{ containerID: 0, hostID: owner.uid, size: 1 }],
            gidMappings: [{ containerID: 0, hostID: owner.gid, size: 1 }],
          }),
      namespaces: [
        { type: "pid" },
        ...(owner === undefined ? [{ type: "network" } as const] : []),
        { type: "ipc" },
        { type: "uts" },
        { type: "mount" },
        ...(owner === undefined ? [] : [{ type: "user" } as const]),
        { type: "cgroup" },
      ],
      maskedPaths: [
        "/proc/acpi",
        "/proc/asound",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/proc/sched_debug",
        "/sys/firmware",
        "/proc/scsi",
      ],
      readonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
    },
  };
  // The limit is small: a plain number says the same.
  return JSON.parse(
    JSON.stringify(spec, (_, value: unknown) => (typeof value === "bigint" ? Number(value) : value)),
  );
}

function mounts(rootless: boolean): SpecMount[] {
  return [
    { destination: "/proc", type: "proc", source: "proc" },
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
      // Group 5, tty, is not mapped where only root is.
      options: [
        "nosuid",
        "noexec",
        "newinstance",
        "ptmxmode=0666",
        "mode=0620",
        ...(rootless ? [] : ["gid=5"]),
      ],
    },
    {
      destination: "/dev/shm",
      type: "tmpfs",
      source: "shm",
      options: [...QUIET, "mode=1777", "size=65536k"],
    },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: QUIET },
    rootless
      ? { destination: "/sys", type: "none", source: "/sys", options: ["rbind", ...QUIET, "ro"] }
      : { destination: "/sys", type: "sysfs", source: "sysfs", options: [...QUIET, "ro"] },
    {
      destination: "/sys/fs/cgroup",
      type: "cgroup",
      source: "cgroup",
      options: [...QUIET, "relatime", "ro"],
    },
  ];
}
