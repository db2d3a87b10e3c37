/**
 * Where the view from inside differs from runc's or crun's, and why. A difference that no row explains fails the test, and so
 * does a row that explains nothing any more. docs/conformance.md is made from this table (`npm run gen:conformance`).
 */
export interface Accepted {
  /** The runtime we differ from. */
  readonly from: "runc" | "crun" | "both";
  /** Of the configuration's name; absent = any. */
  readonly configuration?: RegExp;
  /** Of the probe's line. */
  readonly key: RegExp;
  /** Seen in some runs only. */
  readonly isNotAlways?: boolean;
  /** What is different, and why it stays so. */
  readonly reason: string;
}

const MASKED =
  /^mount\.\/(proc\/(acpi|keys|timer_list|kcore|scsi|sched_debug|latency_stats)|sys\/firmware|file|tmp)(#\d+)?$/;

export const ACCEPTED: readonly Accepted[] = [
  {
    from: "both",
    key: /^status\.Groups$/,
    reason:
      "the primary group is one of the supplementary groups, too: a file that denies its group must deny a process which is in that group by any way (CVE-2022-36109)",
  },
  {
    from: "both",
    key: /^cgroup$/,
    reason:
      "the container is not in a cgroup of systemd's named hierarchy (version 1): it has no controller, so it limits nothing, and systemd removes what it does not know",
  },
  {
    from: "both",
    configuration: /control groups' file system|cgroup namespace and its file system/,
    key: /^(mount|node|write|read)\.\/sys\/fs\/cgroup(\/systemd)?(#\d+)?$/,
    reason:
      "the tmpfs above version 1's hierarchies is read-only when the mount is (runc and crun leave it writable), and has the mode 0755; systemd's named hierarchy is not in it",
  },
  {
    from: "both",
    configuration: /cgroup namespace and its file system/,
    key: /^mount\.\/sys\/fs\/cgroup\//,
    reason: "the mounts' source is called \"cgroup\", as runc does; crun has its directory's name there",
  },
  {
    from: "both",
    key: MASKED,
    reason:
      "a masked directory is covered by one shared tmpfs with nosuid, nodev and noexec, read-only itself; a masked file by the host's verified /dev/null (runc: the container's own, crun: read-only)",
  },
  {
    from: "runc",
    key: /^mount\.\/sys$/,
    reason: "a read-only sysfs is a read-only mount, as with crun; runc makes the whole superblock read-only",
  },
  {
    from: "crun",
    key: /^mount\.\/proc\/(bus|fs|irq|sys|sysrq-trigger)$/,
    reason: "read-only paths keep nosuid, nodev and noexec of /proc, as with runc",
  },
  {
    from: "crun",
    key: /^node\.\/dev\/core$/,
    reason: "no link /dev/core to the masked /proc/kcore, as with runc",
  },
  {
    from: "crun",
    configuration: /^exec/,
    key: /^is-(session|group)-leader$/,
    reason: "an exec'd process leads a session of its own, as with runc",
  },
  {
    from: "both",
    key: /^(stdio\.[012]|node\.\/dev\/null|node\.\/proc\/(keys|timer_list))$/,
    reason:
      "of the standard streams only the owner is changed, as with runc, not the group; the null device never: it is everybody's, and crun gives away the host's when it is what a masked file is covered with. (runc has a pipe of its own between the process and a null device of the caller)",
  },
  {
    from: "runc",
    key: /^fd\.0$/,
    reason: "standard input is the caller's own, as with crun; runc puts a pipe between",
  },
  {
    from: "crun",
    configuration: /terminal/,
    key: /^mount\.\/dev\/console$/,
    reason: "/dev/console keeps noexec and nosuid of /dev/pts, as with runc",
  },
  {
    from: "both",
    configuration: /^a terminal$|^a terminal of a user$|^exec: a terminal$/,
    key: /^tty\.(rows|cols)$/,
    reason: "a terminal has the caller's size from the first instruction on, not only after the first change",
  },
  {
    from: "both",
    configuration: /^root propagation/,
    key: /^mount\./,
    reason:
      "the propagation that is asked for is that of the container's root, recursively where it says so, as with crun; runc makes the root private again for pivot_root and gives it to the root alone",
  },
  {
    from: "both",
    configuration: /user namespace/,
    key: /^(mount|node)\.\/(dev|proc|sys)/,
    reason:
      "devices are nodes of the container's own, owned by its root, on a file system made for it and locked there: nothing of the host's /dev is bound into the container (runc and crun bind the host's)",
  },
  {
    from: "both",
    configuration: /terminal of a size/,
    key: /^tty\.(rows|cols)$/,
    isNotAlways: true,
    reason:
      "in the foreground the terminal has the size of the caller's, which it is shown in, as with runc; consoleSize is for who takes it by a console socket",
  },
  {
    from: "crun",
    configuration: /^HOME empty$/,
    key: /^env\.HOME$/,
    reason: "an empty HOME counts as missing, as with runc and Docker",
  },
  {
    from: "crun",
    configuration: /^bind (rbind,rshared|bind,unbindable)$/,
    key: /^mount\.\/x$/,
    reason:
      "the propagation of a bind mount is what its options say, as with runc (crun 1.8 leaves it private)",
  },
  {
    from: "both",
    configuration: /^a tmpfs with nothing said$/,
    key: /^(mount|node)\.\/work$/,
    reason:
      'a tmpfs takes over the mode of the directory it covers, by the option "mode" (runc: by chmod; with crun it is open to everybody)',
  },
  {
    from: "both",
    configuration: /^the host's \/dev$/,
    key: /^open\.\/dev\/(net\/tun|console)$/,
    reason:
      "of the host's devices none can be opened but those of every container: runc 1.1 allows /dev/net/tun (newer ones do not), crun the host's console",
  },
  {
    from: "runc",
    configuration: /^exec/,
    key: /^limit\.7$/,
    isNotAlways: true,
    reason:
      "an exec's soft limit of open files is what was asked for; runc's language raises its own, and races with it",
  },
  {
    from: "both",
    configuration: /^exec: an OOM score$/,
    key: /^oom-score-adj$/,
    reason: "an exec's own oomScoreAdj is honoured; runc and crun take it of the container's process alone",
  },
  {
    from: "runc",
    configuration: /^exec: a umask$/,
    key: /^status\.Umask$/,
    reason: "an exec's own umask is honoured, as with crun",
  },
];
