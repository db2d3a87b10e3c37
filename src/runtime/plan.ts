/**
 * The init plan: what one container start, or one exec, does to the kernel, as a flat list of operations with every
 * argument resolved. `compile.ts` makes it, `plan-codec.ts` encodes it, the C program performs it. The field names, their
 * order and their meaning are those of native/include/plan.h; a test compares the two.
 *
 * 64-bit values are bigint. `str` fields are host paths unless named `target` or `path`: those are below the
 * container's root.
 */
export interface Plan {
  /** CLONE_NEW*: what the child makes, or of a joining plan, what it joins. */
  readonly cloneFlags: number;
  /** An exec: joins namespaces of the container's init instead of making its own. */
  readonly join: boolean;
  /** Has a `console` op: standard streams are the pty's slave. */
  readonly terminal: boolean;
  /** No pid namespace of its own: when the main process ends the rest of its cgroup must be killed. */
  readonly hostPid: boolean;
  /** Another runtime makes the process: `command` ops, `leave` at the end. */
  readonly foreign?: boolean;
  readonly ops: readonly PlanOp[];
}

export type PlanOp =
  | CgroupCreateOp
  | CgroupWriteOp
  | CgroupBpfOp
  | OomFileOp
  | NsPathOp
  | UsernsOp
  | IdmapOp
  | HookOp
  | NetdevOp
  | CgroupLeaveOp
  | CgroupOwnerOp
  | FinallyOp
  | CgroupJoinOp
  | UnshareOp
  | TimeOffsetsOp
  | AffinityOp
  | PropagationOp
  | RootOverlayOp
  | RootBindOp
  | MountOp
  | BindOp
  | DeviceOp
  | SymlinkOp
  | DirectoryOp
  | MaskOp
  | ReadonlyOp
  | ConsoleOp
  | PivotOp
  | RootPropagationOp
  | SysctlOp
  | HostnameOp
  | DomainnameOp
  | LoopbackUpOp
  | HooksOp
  | RlimitOp
  | OomScoreAdjOp
  | UmaskOp
  | KeyringOp
  | SyncOp
  | ReaperOp
  | BoundingOp
  | IdentityOp
  | CapsOp
  | CwdOp
  | NoNewPrivsOp
  | SeccompOp
  | ExecOp
  | PersonalityOp
  | SchedulerOp
  | IoPriorityOp
  | LabelOp
  | CommandOp
  | LeaveOp;

export type PlanOpKind = PlanOp["kind"];

// ---- the shim, before clone3: work in the host's namespaces ----

export interface CgroupCreateOp {
  readonly kind: "cgroup-create";
  readonly dir: string;
  /** A v1 cpuset, which starts empty and takes no process: gets its parent's CPUs and memory nodes. */
  readonly inherit?: boolean;
}

export interface CgroupWriteOp {
  readonly kind: "cgroup-write";
  /** A missing file is fine: the kernel was built without that knob. */
  readonly mayMiss: boolean;
  readonly file: string;
  readonly value: string;
}

export interface CgroupBpfOp {
  readonly kind: "cgroup-bpf";
  readonly dir: string;
  /** struct bpf_insn[] */
  readonly insns: Uint8Array;
}

export interface OomFileOp {
  readonly kind: "oom-file";
  /** Opened when the task has ended: somebody else makes it. */
  readonly mayMiss?: boolean;
  readonly file: string;
}

export interface NsPathOp {
  readonly kind: "ns-path";
  readonly cloneFlag: number;
  readonly path: string;
}

/** A user namespace of the container's own; maps as /proc/PID/uid_map takes them. */
export interface UsernsOp {
  readonly kind: "userns";
  readonly uidMap: string;
  readonly gidMap: string;
}

/** Makes a mapping that mounts refer to by `id`, which counts from 1. */
export interface IdmapOp {
  readonly kind: "idmap";
  readonly id: number;
  readonly uidMap: string;
  readonly gidMap: string;
}

/** `idmap` of a mount: none, or the container's own user namespace; else the id of an IdmapOp. */
export const IDMAP = { none: 0, container: 0xffffffff } as const;

/** Numbers are those of enum plan_hook_stage. */
export const HOOK_STAGE = { runtime: 1, container: 2, start: 3, poststart: 4, poststop: 5 } as const;

export interface HookOp {
  readonly kind: "hook";
  /** One of HOOK_STAGE. */
  readonly stage: number;
  readonly path: string;
  readonly argv: readonly string[];
  readonly env: readonly string[];
  /** Seconds, 0 = none. */
  readonly timeoutS: number;
  /** The state document in two pieces, between which the pid goes. */
  readonly stateHead: string;
  readonly stateTail: string;
}

export interface NetdevOp {
  readonly kind: "netdev";
  readonly name: string;
  readonly newName: string;
}

/** After clone: who performs the plan goes out of the container's cgroup, into that of this cgroup.procs. */
export interface CgroupLeaveOp {
  readonly kind: "cgroup-leave";
  readonly file: string;
}

/** The cgroup becomes this user's to divide further: the directory, and those of its files that exist. */
export interface CgroupOwnerOp {
  readonly kind: "cgroup-owner";
  readonly dir: string;
  /** Of the host. */
  readonly uid: number;
  readonly files: readonly string[];
}

/** Run by the shim when the task has ended or has not come to life. */
export interface FinallyOp {
  readonly kind: "finally";
  /** The first is an absolute path. */
  readonly argv: readonly string[];
  readonly env: readonly string[];
  readonly timeoutS: number;
}

// ---- the child: membership ----

export interface CgroupJoinOp {
  readonly kind: "cgroup-join";
  readonly dir: string;
  readonly version: number;
}

export interface UnshareOp {
  readonly kind: "unshare";
  readonly cloneFlags: number;
}

export interface TimeOffsetsOp {
  readonly kind: "time-offsets";
  /** As /proc/self/timens_offsets takes them. */
  readonly offsets: string;
}

export interface AffinityOp {
  readonly kind: "affinity";
  /** A bit per CPU, least significant first. */
  readonly mask: Uint8Array;
}

// ---- the child: the root and what is mounted in it ----

export interface PropagationOp {
  readonly kind: "propagation";
  readonly propagation: bigint;
}

export interface RootOverlayOp {
  readonly kind: "root-overlay";
  /** A lower that is a file holds an EROFS image. */
  readonly images: boolean;
  readonly lowers: readonly string[];
  readonly upper: string;
  readonly work: string;
  readonly options: readonly string[];
  readonly staging: string;
  readonly idmap: number;
}

export interface RootBindOp {
  readonly kind: "root-bind";
  readonly source: string;
  readonly staging: string;
  readonly idmap: number;
}

export interface MountOp {
  readonly kind: "mount";
  /** When the target exists its mode becomes the option "mode": a tmpfs over /root stays private. */
  readonly targetMode: boolean;
  /** tmpcopyup: what is at the target is copied into the new filesystem first. */
  readonly copyUp: boolean;
  readonly fstype: string;
  readonly source: string;
  readonly target: string;
  readonly options: readonly string[];
  readonly attrs: bigint;
  readonly propagation: bigint;
  readonly dirMode: number;
  readonly idmap: number;
}

export interface BindOp {
  readonly kind: "bind";
  readonly recursive: boolean;
  readonly targetFile: boolean;
  /** The mounts below are idmapped, too. */
  readonly idmapTree: boolean;
  /** The source is a mount namespace; what is mounted at `beneath` there is bound. */
  readonly elsewhere: boolean;
  readonly source: string;
  readonly target: string;
  /** Of the top mount. */
  readonly attrSet: bigint;
  readonly attrClr: bigint;
  /** Of it and every mount below; set first. */
  readonly treeAttrSet: bigint;
  readonly treeAttrClr: bigint;
  readonly propagation: bigint;
  readonly idmap: number;
  /** "": all of the source; else a path inside of it, which must not lead out. */
  readonly beneath: string;
}

export interface DeviceOp {
  readonly kind: "device";
  readonly path: string;
  readonly type: "c" | "b" | "p";
  readonly major: number;
  readonly minor: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface SymlinkOp {
  readonly kind: "symlink";
  readonly value: string;
  readonly path: string;
}

export interface DirectoryOp {
  readonly kind: "directory";
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface MaskOp {
  readonly kind: "mask";
  readonly path: string;
}

export interface ReadonlyOp {
  readonly kind: "readonly";
  /** The mount that is there itself, without those below it. */
  readonly top?: boolean;
  readonly path: string;
}

export interface ConsoleOp {
  readonly kind: "console";
  readonly rows: number;
  readonly cols: number;
  readonly uid: number;
}

export interface PivotOp {
  readonly kind: "pivot";
  readonly rootReadonly: boolean;
}

export interface RootPropagationOp {
  readonly kind: "root-propagation";
  readonly propagation: bigint;
}

// ---- the child: kernel settings of the new namespaces ----

export interface SysctlOp {
  readonly kind: "sysctl";
  /** Separated by slashes: "net/ipv4/ip_forward". */
  readonly key: string;
  readonly value: string;
}

export interface HostnameOp {
  readonly kind: "hostname";
  readonly name: string;
}

export interface DomainnameOp {
  readonly kind: "domainname";
  readonly name: string;
}

export interface LoopbackUpOp {
  readonly kind: "loopback-up";
}

/** The place of the hooks of one stage: HOOK_STAGE runtime, container or start. */
export interface HooksOp {
  readonly kind: "hooks";
  readonly stage: number;
}

// ---- the child: the process ----

export interface RlimitOp {
  readonly kind: "rlimit";
  readonly resource: number;
  readonly soft: bigint;
  readonly hard: bigint;
}

export interface OomScoreAdjOp {
  readonly kind: "oom-score-adj";
  /** Lack of permission is fine. */
  readonly mayMiss: boolean;
  readonly value: number;
}

export interface UmaskOp {
  readonly kind: "umask";
  readonly mask: number;
}

export interface KeyringOp {
  readonly kind: "keyring";
  readonly name: string;
}

export interface SyncOp {
  readonly kind: "sync";
  /** Looks for exec's program first. */
  readonly lookup: boolean;
}

export interface ReaperOp {
  readonly kind: "reaper";
}

export interface BoundingOp {
  readonly kind: "bounding";
  readonly keepMask: bigint;
}

export type IdKind = "none" | "number" | "name";

export interface IdentityOp {
  readonly kind: "identity";
  /** Takes exec's place: prints "UID GID", the home directory and the groups, a line each, and exits. */
  readonly report?: boolean;
  readonly userKind: IdKind;
  readonly uid: number;
  readonly user: string;
  readonly groupKind: IdKind;
  readonly gid: number;
  readonly group: string;
  readonly addGroups: readonly string[];
  readonly wantHome: boolean;
}

export interface CapsOp {
  readonly kind: "caps";
  readonly permitted: bigint;
  readonly effective: bigint;
  readonly inheritable: bigint;
  readonly ambient: bigint;
}

export interface CwdOp {
  readonly kind: "cwd";
  /** Make it first when it is missing. */
  readonly create: boolean;
  readonly path: string;
}

export interface NoNewPrivsOp {
  readonly kind: "no-new-privs";
}

export interface SeccompOp {
  readonly kind: "seccomp";
  /** SECCOMP_FILTER_FLAG_* */
  readonly filterFlags: number;
  /** struct sock_filter[] */
  readonly filter: Uint8Array;
  /** Socket of the agent that gets the notification descriptor, "" = none. */
  readonly listener: string;
  /** What it is told with it; the container's pid goes between each two pieces. */
  readonly stateParts: readonly string[];
}

export interface ExecOp {
  readonly kind: "exec";
  readonly argv: readonly string[];
  readonly env: readonly string[];
  readonly searchPath: string;
}

export interface PersonalityOp {
  readonly kind: "personality";
  readonly persona: number;
}

/** sched_setattr(2); times in nanoseconds. */
export interface SchedulerOp {
  readonly kind: "scheduler";
  readonly policy: number;
  readonly schedFlags: bigint;
  readonly nice: number;
  readonly priority: number;
  readonly runtime: bigint;
  readonly deadline: bigint;
  readonly period: bigint;
}

export interface IoPriorityOp {
  readonly kind: "io-priority";
  /** class << 13 | priority: ioprio_set(2) */
  readonly ioprio: number;
}

/** Numbers are those of enum plan_label_module. */
export const LABEL_MODULE = { apparmor: 1, selinux: 2 } as const;

export interface LabelOp {
  readonly kind: "label";
  /** One of LABEL_MODULE. */
  readonly module: number;
  readonly label: string;
}

/** A program of the host's, run to its end. Relative paths start at the task's run directory. */
export interface CommandOp {
  readonly kind: "command";
  /** The first is an absolute path. */
  readonly argv: readonly string[];
  readonly env: readonly string[];
  readonly timeoutS: number;
  /** Where it leaves the number of the process that it makes, "" = makes none. */
  readonly pidFile: string;
  /** Socket to which it sends the process's terminal, "" = none. */
  readonly consoleSocket: string;
}

/** Takes exec's place where a command has made the process. */
export interface LeaveOp {
  readonly kind: "leave";
}
