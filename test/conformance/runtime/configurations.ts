/**
 * The configurations under which runtimes are compared: a plain container's config.json and one change each, or an exec into
 * the plain one. `change` gets a copy that it may write to.
 */

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface Config {
  [key: string]: Json;
}

export interface Configuration {
  readonly name: string;
  readonly change?: (config: Document) => void;
  /** An exec into the container with this process.json instead of the container's own process. */
  readonly exec?: (process: ProcessDocument) => void;
}

/** Only what the changes below touch is typed. */
export interface ProcessDocument {
  terminal: boolean;
  consoleSize?: { height: number; width: number };
  user: { uid: number; gid: number; umask?: number; additionalGids?: number[] };
  args: string[];
  env: string[];
  cwd: string;
  capabilities: Record<"bounding" | "effective" | "inheritable" | "permitted" | "ambient", string[]>;
  rlimits: { type: string; soft: number; hard: number }[];
  noNewPrivileges: boolean;
  oomScoreAdj?: number;
}

export interface MountDocument {
  destination: string;
  type?: string;
  source?: string;
  options?: string[];
}

export interface Document {
  ociVersion: string;
  process: ProcessDocument;
  root: { path: string; readonly: boolean };
  hostname: string;
  domainname?: string;
  mounts: MountDocument[];
  annotations?: Record<string, string>;
  linux: {
    namespaces: { type: string; path?: string }[];
    uidMappings?: { containerID: number; hostID: number; size: number }[];
    gidMappings?: { containerID: number; hostID: number; size: number }[];
    devices?: Config[];
    cgroupsPath: string;
    resources: { devices: Config[]; [key: string]: Json };
    rootfsPropagation?: string;
    seccomp?: Config;
    sysctl?: Record<string, string>;
    maskedPaths: string[];
    readonlyPaths: string[];
    personality?: { domain: string };
  };
}

const CAPABILITIES = [
  "CHOWN",
  "DAC_OVERRIDE",
  "FSETID",
  "FOWNER",
  "MKNOD",
  "SETGID",
  "SETUID",
  "SETFCAP",
  "SETPCAP",
  "NET_BIND_SERVICE",
  "SYS_CHROOT",
  "KILL",
  "AUDIT_WRITE",
].map((name) => `CAP_${name}`);

/** What the probe is told to look at, besides /dev. */
export const LOOKED_AT = `
  /proc/acpi /proc/kcore /proc/keys /proc/latency_stats /proc/timer_list /proc/sched_debug /proc/scsi /proc/interrupts
  /proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger /sys/firmware /sys /sys/fs/cgroup
  / /tmp /etc /dev/shm /x /x/sub /x/file /file /work
  /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shm_rmid_forced`
  .trim()
  .split(/\s+/);

/** `share` is a directory of the host with `file`, `sub/` and a mount of its own on `sub`. */
export function plain(share: string): Document {
  return {
    ociVersion: "1.0.2",
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args: ["/probe"],
      env: ["PATH=/bin:/usr/bin", "HOME=/root", "LANG=C"],
      cwd: "/",
      capabilities: {
        bounding: CAPABILITIES,
        effective: CAPABILITIES,
        inheritable: [],
        permitted: CAPABILITIES,
        ambient: [],
      },
      rlimits: [{ type: "RLIMIT_NOFILE", soft: 1024, hard: 4096 }],
      noNewPrivileges: false,
    },
    root: { path: "rootfs", readonly: false },
    hostname: "box",
    mounts: [
      { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
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
      {
        destination: "/dev/shm",
        type: "tmpfs",
        source: "shm",
        options: ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
      },
      {
        destination: "/dev/mqueue",
        type: "mqueue",
        source: "mqueue",
        options: ["nosuid", "noexec", "nodev"],
      },
      { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
      { destination: "/x", type: "bind", source: share, options: ["rbind", "rprivate"] },
    ],
    linux: {
      namespaces: ["pid", "network", "ipc", "uts", "mount"].map((type) => ({ type })),
      cgroupsPath: "/gantry-conformance",
      resources: { devices: [{ allow: false, access: "rwm" }] },
      maskedPaths: [
        "/proc/acpi",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/timer_list",
        "/proc/sched_debug",
        "/proc/scsi",
        "/sys/firmware",
      ],
      readonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
    },
  };
}

function without(type: string): Configuration {
  return {
    name: `the host's ${type} namespace`,
    change: (config) => {
      config.linux.namespaces = config.linux.namespaces.filter((namespace) => namespace.type !== type);
      if (type === "uts") config.hostname = "";
    },
  };
}

function mounted(name: string, mount: MountDocument): Configuration {
  return {
    name,
    change: (config) => {
      config.mounts = [
        ...config.mounts.filter(({ destination }) => destination !== mount.destination),
        mount,
      ];
    },
  };
}

function bound(share: string, ...options: string[]): Configuration {
  return mounted(`bind ${options.join(",")}`, { destination: "/x", type: "bind", source: share, options });
}

function process(name: string, change: (process: ProcessDocument) => void): Configuration {
  return { name, change: (config) => change(config.process) };
}

function linux(name: string, change: (linux: Document["linux"]) => void): Configuration {
  return { name, change: (config) => change(config.linux) };
}

function exec(name: string, change: (process: ProcessDocument) => void): Configuration {
  return { name: `exec: ${name}`, exec: change };
}

const setCapabilities =
  (names: readonly string[], ambient: readonly string[] = []) =>
  ({ capabilities }: ProcessDocument): void => {
    for (const set of ["bounding", "effective", "permitted"] as const) capabilities[set] = [...names];
    capabilities.ambient = [...ambient];
    capabilities.inheritable = [...ambient];
  };

const filter = (...syscalls: Config[]): Config => ({
  defaultAction: "SCMP_ACT_ALLOW",
  architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
  syscalls,
});

const RANGE = [{ containerID: 0, hostID: 100_000, size: 65_536 }];

/** `ownPid`: of a process with the caller's namespaces. */
export function configurations(share: string, ownPid: number): readonly Configuration[] {
  return [
    { name: "plain" },
    ...["network", "ipc", "uts", "pid"].map(without),
    linux("an own cgroup namespace", ({ namespaces }) => namespaces.push({ type: "cgroup" })),
    {
      name: "an own cgroup namespace and its file system",
      change: (config) => {
        config.linux.namespaces.push({ type: "cgroup" });
        config.mounts.push({
          destination: "/sys/fs/cgroup",
          type: "cgroup",
          source: "cgroup",
          options: ["nosuid", "noexec", "nodev", "relatime", "ro"],
        });
      },
    },
    mounted("the control groups' file system", {
      destination: "/sys/fs/cgroup",
      type: "cgroup",
      source: "cgroup",
      options: ["nosuid", "noexec", "nodev", "relatime", "ro"],
    }),
    linux("a network namespace by path", ({ namespaces }) => {
      for (const namespace of namespaces)
        if (namespace.type === "network") namespace.path = `/proc/${ownPid}/ns/net`;
    }),
    process("a terminal", (p) => (p.terminal = true)),
    process("a terminal of a size", (p) => {
      p.terminal = true;
      p.consoleSize = { height: 33, width: 111 };
    }),
    process("a terminal of a user", (p) => {
      p.terminal = true;
      p.user = { uid: 1000, gid: 1000 };
    }),
    process("a user", (p) => (p.user = { uid: 1000, gid: 1000 })),
    process("a user with groups", (p) => (p.user = { uid: 1000, gid: 1000, additionalGids: [5, 6, 7] })),
    process("root with groups", (p) => (p.user.additionalGids = [10, 11])),
    process("a umask", (p) => (p.user.umask = 0o077)),
    process("no capability", setCapabilities([])),
    process("one capability", setCapabilities(["CAP_NET_ADMIN"])),
    process("every capability", (p) =>
      setCapabilities([...CAPABILITIES, "CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SYS_PTRACE", "CAP_NET_RAW"])(
        p,
      ),
    ),
    process("an ambient capability of a user", (p) => {
      p.user = { uid: 1000, gid: 1000 };
      setCapabilities(["CAP_NET_BIND_SERVICE", "CAP_CHOWN"], ["CAP_NET_BIND_SERVICE"])(p);
    }),
    process("a user's capabilities without ambient ones", (p) => {
      p.user = { uid: 1000, gid: 1000 };
      setCapabilities(["CAP_CHOWN"])(p);
    }),
    process("inheritable ones", (p) => (p.capabilities.inheritable = ["CAP_CHOWN"])),
    process("effective fewer than permitted", (p) => (p.capabilities.effective = ["CAP_KILL"])),
    process("no new privileges", (p) => (p.noNewPrivileges = true)),
    process("resource limits", (p) => {
      p.rlimits = [
        { type: "RLIMIT_NOFILE", soft: 100, hard: 200 },
        { type: "RLIMIT_CORE", soft: 0, hard: 0 },
        { type: "RLIMIT_STACK", soft: 1 << 20, hard: 1 << 21 },
      ];
    }),
    process("no resource limits", (p) => (p.rlimits = [])),
    process("an OOM score", (p) => (p.oomScoreAdj = 500)),
    process("a working directory", (p) => (p.cwd = "/tmp")),
    process("a working directory that is not there", (p) => (p.cwd = "/new/deep")),
    process(
      "a long environment",
      (p) => (p.env = [...p.env, ...Array.from({ length: 200 }, (_, i) => `V${i}=${i}`), "EMPTY="]),
    ),
    process("no environment", (p) => (p.env = [])),
    process("HOME empty", (p) => (p.env = ["PATH=/bin", "HOME="])),
    process("no HOME for a user", (p) => {
      p.env = ["PATH=/bin"];
      p.user = { uid: 1000, gid: 1000 };
    }),
    process("a variable twice", (p) => (p.env = ["PATH=/bin", "A=1", "A=2", "HOME=/"])),
    linux(
      "a seccomp filter",
      (l) =>
        (l.seccomp = filter({
          names: ["mkdirat", "chmod", "unshare"],
          action: "SCMP_ACT_ERRNO",
          errnoRet: 99,
        })),
    ),
    linux("a seccomp filter on arguments", (l) => {
      l.seccomp = filter({
        names: ["socket"],
        action: "SCMP_ACT_ERRNO",
        args: [{ index: 0, value: 40, op: "SCMP_CMP_EQ" }],
      });
    }),
    linux("a seccomp filter on administrators' calls", (l) => {
      l.seccomp = {
        defaultAction: "SCMP_ACT_ALLOW",
        architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        syscalls: [{ names: ["keyctl", "add_key", "bpf", "setns"], action: "SCMP_ACT_ERRNO" }],
      };
    }),
    {
      name: "a seccomp filter with no new privileges",
      change: (config) => {
        config.process.noNewPrivileges = true;
        config.linux.seccomp = filter({ names: ["mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 99 });
      },
    },
    {
      name: "a seccomp filter for a user without capabilities",
      change: (config) => {
        config.process.user = { uid: 1000, gid: 1000 };
        setCapabilities([])(config.process);
        config.linux.seccomp = filter({ names: ["mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 99 });
      },
    },
    { name: "a read-only root", change: (config) => (config.root.readonly = true) },
    { name: "another host name", change: (config) => (config.hostname = "a-much-longer-host-name.example") },
    { name: "annotations", change: (config) => (config.annotations = { "org.example.a": "b" }) },
    linux("nothing masked, nothing read-only", (l) => {
      l.maskedPaths = [];
      l.readonlyPaths = [];
    }),
    linux("other paths masked and read-only", (l) => {
      l.maskedPaths = ["/file", "/tmp", "/nowhere"];
      l.readonlyPaths = ["/etc", "/nowhere"];
    }),
    linux(
      "sysctls",
      (l) => (l.sysctl = { "net.ipv4.ip_unprivileged_port_start": "77", "kernel.shm_rmid_forced": "1" }),
    ),
    linux("devices", (l) => {
      l.devices = [
        { path: "/dev/fuse", type: "c", major: 10, minor: 229, fileMode: 0o600, uid: 7, gid: 8 },
        { path: "/dev/disk/one", type: "b", major: 7, minor: 0, fileMode: 0o640, uid: 0, gid: 6 },
        { path: "/dev/pipe", type: "p", fileMode: 0o666 },
      ];
      l.resources.devices.push({ allow: true, type: "c", major: 10, minor: 229, access: "rwm" });
    }),
    linux("every device allowed", (l) => (l.resources.devices = [{ allow: true, access: "rwm" }])),
    linux("memory, pids and CPU limits", (l) => {
      Object.assign(l.resources, {
        memory: { limit: 64 << 20 },
        pids: { limit: 77 },
        cpu: { shares: 512, quota: 50_000, period: 100_000 },
      });
    }),
    ...["private", "rprivate", "slave", "rslave", "shared", "rshared"].map((propagation) =>
      linux(`root propagation ${propagation}`, (l) => (l.rootfsPropagation = propagation)),
    ),
    bound(share, "bind"),
    bound(share, "bind", "ro"),
    bound(share, "rbind", "ro"),
    bound(share, "rbind", "nosuid", "nodev", "noexec"),
    bound(share, "rbind", "rslave"),
    bound(share, "rbind", "rshared"),
    bound(share, "bind", "unbindable"),
    bound(share, "rbind", "noatime"),
    bound(share, "rbind", "rro"),
    bound(share, "rbind", "ro", "rnosuid"),
    mounted("a file bound to a new place", {
      destination: "/new/place",
      type: "bind",
      source: `${share}/file`,
      options: ["bind", "ro"],
    }),
    mounted("a file bound over a file", {
      destination: "/file",
      type: "bind",
      source: `${share}/file`,
      options: ["bind"],
    }),
    mounted("a bind without a type", { destination: "/work", source: share, options: ["rbind"] }),
    mounted("a tmpfs", {
      destination: "/tmp",
      type: "tmpfs",
      source: "tmpfs",
      options: ["noexec", "mode=1777", "size=1m"],
    }),
    mounted("a tmpfs with nothing said", { destination: "/work", type: "tmpfs", source: "tmpfs" }),
    mounted("a tmpfs that takes over what was there", {
      destination: "/etc",
      type: "tmpfs",
      source: "tmpfs",
      options: ["tmpcopyup", "mode=755"],
    }),
    mounted("a writable /sys", {
      destination: "/sys",
      type: "sysfs",
      source: "sysfs",
      options: ["nosuid", "noexec", "nodev"],
    }),
    mounted("the host's /dev", {
      destination: "/dev",
      type: "bind",
      source: "/dev",
      options: ["rbind", "rprivate"],
    }),
    mounted("the host's /sys", {
      destination: "/sys",
      type: "bind",
      source: "/sys",
      options: ["rbind", "ro"],
    }),
    {
      name: "a user namespace",
      change: (config) => {
        config.linux.namespaces.push({ type: "user" });
        config.linux.uidMappings = RANGE;
        config.linux.gidMappings = RANGE;
      },
    },
    {
      name: "a user namespace and a user",
      change: (config) => {
        config.linux.namespaces.push({ type: "user" });
        config.linux.uidMappings = RANGE;
        config.linux.gidMappings = RANGE;
        config.process.user = { uid: 1000, gid: 1000, additionalGids: [7] };
      },
    },
    exec("the same process", () => {}),
    exec("a user", (p) => (p.user = { uid: 1000, gid: 1000, additionalGids: [9] })),
    exec("no capability", setCapabilities([])),
    exec("one capability", setCapabilities(["CAP_KILL"])),
    exec("no new privileges", (p) => (p.noNewPrivileges = true)),
    exec("a working directory", (p) => (p.cwd = "/tmp")),
    exec("an environment", (p) => (p.env = ["PATH=/bin", "X=y"])),
    exec("a terminal", (p) => (p.terminal = true)),
    exec("resource limits", (p) => (p.rlimits = [{ type: "RLIMIT_NOFILE", soft: 50, hard: 60 }])),
    exec("an OOM score", (p) => (p.oomScoreAdj = 300)),
    exec("a umask", (p) => (p.user.umask = 0o027)),
  ];
}
