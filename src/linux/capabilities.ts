/** Capabilities by number, name and mask. capabilities(7), include/uapi/linux/capability.h */
import { fail } from "../base/errors.ts";

/** In the order of their numbers. */
const NAMES = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_DAC_READ_SEARCH",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETPCAP",
  "CAP_LINUX_IMMUTABLE",
  "CAP_NET_BIND_SERVICE",
  "CAP_NET_BROADCAST",
  "CAP_NET_ADMIN",
  "CAP_NET_RAW",
  "CAP_IPC_LOCK",
  "CAP_IPC_OWNER",
  "CAP_SYS_MODULE",
  "CAP_SYS_RAWIO",
  "CAP_SYS_CHROOT",
  "CAP_SYS_PTRACE",
  "CAP_SYS_PACCT",
  "CAP_SYS_ADMIN",
  "CAP_SYS_BOOT",
  "CAP_SYS_NICE",
  "CAP_SYS_RESOURCE",
  "CAP_SYS_TIME",
  "CAP_SYS_TTY_CONFIG",
  "CAP_MKNOD",
  "CAP_LEASE",
  "CAP_AUDIT_WRITE",
  "CAP_AUDIT_CONTROL",
  "CAP_SETFCAP",
  "CAP_MAC_OVERRIDE",
  "CAP_MAC_ADMIN",
  "CAP_SYSLOG",
  "CAP_WAKE_ALARM",
  "CAP_BLOCK_SUSPEND",
  "CAP_AUDIT_READ",
  "CAP_PERFMON",
  "CAP_BPF",
  "CAP_CHECKPOINT_RESTORE",
] as const;

const NUMBERS: ReadonlyMap<string, number> = new Map(NAMES.map((name, number) => [name, number]));

/** All names that a kernel with this highest number knows. */
export function knownCapabilities(lastCapability: number): string[] {
  return NAMES.slice(0, lastCapability + 1);
}

/**
 * The mask of these names ("CAP_CHOWN" ...). Names that this kernel does not know are left out, as runc does: a
 * configuration written for a newer kernel still starts. Throws `invalid_argument` for a name that nobody knows.
 */
export function capabilityMask(names: readonly string[], lastCapability: number): bigint {
  let mask = 0n;
  for (const name of names) {
    const number = NUMBERS.get(name);
    if (number === undefined) throw fail("invalid_argument", `invalid capability: "${name}"`);
    if (number <= lastCapability) mask |= 1n << BigInt(number);
  }
  return mask;
}

export function capabilityNames(mask: bigint): string[] {
  return NAMES.filter((_, number) => (mask & (1n << BigInt(number))) !== 0n);
}
