/**
 * What this runtime can do, for callers to ask: runtime-spec features.md and features-linux.md. Whether this host's kernel can,
 * too, is another question. A test gives every name in these lists to the part that has to take it.
 */
import { capabilityNames } from "../linux/capabilities.ts";
import { OCI_VERSION } from "../specs/oci-runtime/spec.ts";

export const HOOKS = [
  "prestart",
  "createRuntime",
  "createContainer",
  "startContainer",
  "poststart",
  "poststop",
] as const;

export const NAMESPACES = ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"] as const;

const words = (text: string): string[] => text.split(" ");

/** Each of them also in a form for the mount and all below it: "rnodev". */
const RECURSIVE = words(
  "atime dev diratime exec noatime nodev nodiratime noexec norelatime nostrictatime nosuid nosymfollow " +
    "relatime strictatime suid symfollow",
);
export const MOUNT_OPTIONS: readonly string[] = [
  ...words(
    "async bind defaults dirsync idmap lazytime mand nolazytime nomand private rbind ridmap ro rprivate rro rrw",
  ),
  ...words("rshared rslave runbindable rw shared slave sync tmpcopyup unbindable"),
  ...RECURSIVE,
  ...RECURSIVE.map((option) => `r${option}`),
].toSorted();

export const SECCOMP = {
  actions: [
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_LOG",
    "SCMP_ACT_NOTIFY",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_TRAP",
  ],
  operators: [
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_LE",
    "SCMP_CMP_LT",
    "SCMP_CMP_MASKED_EQ",
    "SCMP_CMP_NE",
  ],
  archs: [
    "SCMP_ARCH_AARCH64",
    "SCMP_ARCH_ARM",
    "SCMP_ARCH_RISCV64",
    "SCMP_ARCH_X32",
    "SCMP_ARCH_X86",
    "SCMP_ARCH_X86_64",
  ],
  flags: ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC"],
} as const;

const ALL_CAPABILITIES = (1n << 64n) - 1n;

export function features(version: string, commit: string): object {
  const { actions, operators, archs, flags } = SECCOMP;
  return {
    ociVersionMin: "1.0.0",
    ociVersionMax: OCI_VERSION,
    hooks: HOOKS,
    mountOptions: MOUNT_OPTIONS,
    linux: {
      namespaces: NAMESPACES,
      capabilities: capabilityNames(ALL_CAPABILITIES),
      cgroup: { v1: true, v2: true, systemd: true, systemdUser: false, rdma: true },
      seccomp: { enabled: true, actions, operators, archs, knownFlags: flags, supportedFlags: flags },
      apparmor: { enabled: true },
      selinux: { enabled: true },
      intelRdt: { enabled: true },
      mountExtensions: { idmap: { enabled: true } },
      netDevices: { enabled: true },
    },
    annotations: {
      "dev.gantry.runtime.version": version,
      "dev.gantry.runtime.commit": commit,
      // runc's, by which callers know that there is `checkpoint`; whether there is criu shows when it is called.
      "org.opencontainers.runc.checkpoint.enabled": "true",
    },
    potentiallyUnsafeConfigAnnotations: ["org.criu.config"],
  };
}
