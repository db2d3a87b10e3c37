/** The AppArmor profile of containers that ask for none: Docker's default, rule by rule in meaning (apparmor.d(5)). */

export const DEFAULT_PROFILE = "gantry-default";

/**
 * The profile's text. It includes nothing, so that it does not depend on what a distribution keeps in /etc/apparmor.d.
 *
 * A pattern cannot say "all but one": a path is walked letter by letter instead (`/sys/f[^s]**`). Processes are told
 * apart by their number; /proc/self and /proc/thread-self are links and have been followed when AppArmor looks.
 */
export function defaultProfile(): string {
  return `profile ${DEFAULT_PROFILE} flags=(attach_disconnected,mediate_deleted) {
  file,
  capability,
  network,
  unix,
  umount,

  # the kernel's crypto interface has a history of holes, and OpenSSL does without
  deny network alg,

  # neither with CAP_SYS_ADMIN nor in a user namespace
  deny mount,

  # nobody outside is signalled or traced; the engine may signal
  signal (receive) peer=unconfined,
  signal (send, receive) peer=${DEFAULT_PROFILE},
  ptrace (trace, read, tracedby, readby) peer=${DEFAULT_PROFILE},

  # of /proc only processes and /proc/sys/kernel/shm* are written to
  deny /proc/* w,
  deny /proc/[^1-9s]*/** w,
  deny /proc/s[^y]*/** w,
  deny /proc/sy[^s]*/** w,
  deny /proc/sys[^/]*/** w,
  deny /proc/sys/[^k]** w,
  deny /proc/sys/k[^e]** w,
  deny /proc/sys/ke[^r]** w,
  deny /proc/sys/kernel/[^s]** w,
  deny /proc/sys/kernel/s[^h]** w,
  deny /proc/sys/kernel/sh[^m]** w,
  deny /proc/sysrq-trigger rwklx,
  deny /proc/kcore rwklx,

  # of /sys only /sys/fs/cgroup is
  deny /sys/[^f]** wklx,
  deny /sys/f[^s]** wklx,
  deny /sys/fs/[^c]** wklx,
  deny /sys/fs/c[^g]** wklx,
  deny /sys/fs/cg[^r]** wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
  deny /sys/kernel/security/** rwklx,
}
`;
}
