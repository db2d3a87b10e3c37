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

/** The mask of these names ("CAP_CHOWN" ...). Throws `invalid_argument` for a name that nobody knows. */
export function capabilityMask(names: readonly string[]): bigint {
  let mask = 0n;
  for (const name of names) mask |= capabilityBit(name) ?? unknown(name);
  return mask;
}

/** Whether this runtime knows the name; a newer kernel may have more. */
export function isCapability(name: string): boolean {
  return NUMBERS.has(name);
}

function capabilityBit(name: string): bigint | undefined {
  const number = NUMBERS.get(name);
  return number === undefined ? undefined : 1n << BigInt(number);
}

function unknown(name: string): never {
  throw fail("invalid_argument", `unknown capability: "${name.slice(0, 100)}"`);
}

export function capabilityNames(mask: bigint): string[] {
  return NAMES.filter((_, number) => (mask & (1n << BigInt(number))) !== 0n);
}

/** What a container gets without being asked. */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FSETID",
  "CAP_FOWNER",
  "CAP_MKNOD",
  "CAP_NET_RAW",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETFCAP",
  "CAP_SETPCAP",
  "CAP_NET_BIND_SERVICE",
  "CAP_SYS_CHROOT",
  "CAP_KILL",
  "CAP_AUDIT_WRITE",
];

export interface CapabilityWishes {
  readonly add: readonly string[];
  readonly drop: readonly string[];
  readonly privileged: boolean;
}

/**
 * Docker's meaning of `--cap-add`, `--cap-drop` and `--privileged`: names in any case, with or without "CAP_", or "ALL".
 * ALL means those that are `available` (HostFacts.capabilities). An addition wins over the same name dropped.
 *
 * Throws `invalid_argument` with Docker's wording for an unknown name and for one that is not available.
 */
export function chooseCapabilities({ add, drop, privileged }: CapabilityWishes, available: bigint): bigint {
  const defaults = capabilityMask(DEFAULT_CAPABILITIES) & available;
  const added = wishes("CapAdd", add, available);
  const dropped = wishes("CapDrop", drop, available);
  if (privileged) return available;
  if (added.all) return available & ~dropped.mask;
  if (dropped.all) return added.mask;
  return (defaults & ~dropped.mask) | added.mask;
}

function wishes(
  field: string,
  names: readonly string[],
  available: bigint,
): { readonly all: boolean; readonly mask: bigint } {
  let all = false;
  let mask = 0n;
  for (const name of names) {
    const upper = name.toUpperCase();
    if (upper === "ALL") {
      all = true;
      continue;
    }
    const full = upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
    const bit = capabilityBit(full);
    if (bit === undefined)
      throw fail("invalid_argument", `invalid ${field}: unknown capability: "${full.slice(0, 100)}"`);
    if ((bit & available) === 0n)
      throw fail(
        "invalid_argument",
        `invalid ${field}: capability not supported by your kernel or not available in the current environment: "${full}"`,
      );
    mask |= bit;
  }
  return { all, mask };
}
