/**
 * The init plan: what one container start, or one exec, does to the kernel, as a flat list of operations with every
 * argument resolved. `compile.ts` makes it, `plan-codec.ts` encodes it, the C program performs it. The field names, their
 * order and their meaning are those of native/include/plan.h; a test compares the two.
 *
 * 64-bit values are bigint. `str` fields are host paths unless named `target` or `path`: those are below the
 * container's root.
 */
export interface Plan {
  /** CLONE_NEW* of the child. */
  readonly cloneFlags: number;
  /** An exec: joins all namespaces of the container's init instead of making its own. */
  readonly join: boolean;
  /** Has a `console` op: standard streams are the pty's slave. */
  readonly terminal: boolean;
  /** No pid namespace of its own: when the main process ends the rest of its cgroup must be killed. */
  readonly hostPid: boolean;
  readonly ops: readonly PlanOp[];
}

export type PlanOp =
  | CgroupCreateOp
  | CgroupWriteOp
  | CgroupBpfOp
  | OomFileOp
  | NsPathOp
  | CgroupJoinOp
  | UnshareOp
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
  | ExecOp;

export type PlanOpKind = PlanOp["kind"];

// ---- the shim, before clone3: work in the host's namespaces ----

export interface CgroupCreateOp {
  readonly kind: "cgroup-create";
  readonly dir: string;
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
  readonly file: string;
}

export interface NsPathOp {
  readonly kind: "ns-path";
  readonly cloneFlag: number;
  readonly path: string;
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

// ---- the child: the root and what is mounted in it ----

export interface PropagationOp {
  readonly kind: "propagation";
  readonly propagation: bigint;
}

export interface RootOverlayOp {
  readonly kind: "root-overlay";
  readonly lowers: readonly string[];
  readonly upper: string;
  readonly work: string;
  readonly options: readonly string[];
  readonly staging: string;
}

export interface RootBindOp {
  readonly kind: "root-bind";
  readonly source: string;
  readonly staging: string;
}

export interface MountOp {
  readonly kind: "mount";
  /** When the target exists its mode becomes the option "mode": a tmpfs over /root stays private. */
  readonly targetMode: boolean;
  readonly fstype: string;
  readonly source: string;
  readonly target: string;
  readonly options: readonly string[];
  readonly attrs: bigint;
  readonly propagation: bigint;
  readonly dirMode: number;
}

export interface BindOp {
  readonly kind: "bind";
  readonly recursive: boolean;
  readonly recursiveAttr: boolean;
  readonly targetFile: boolean;
  readonly source: string;
  readonly target: string;
  readonly attrSet: bigint;
  readonly attrClr: bigint;
  readonly propagation: bigint;
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
}

export interface ExecOp {
  readonly kind: "exec";
  readonly argv: readonly string[];
  readonly env: readonly string[];
  readonly searchPath: string;
}
