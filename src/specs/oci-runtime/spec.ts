/**
 * The OCI runtime specification's config.json (version 1.3, Linux), as types. Optional fields are truly absent, as in
 * the document. https://github.com/opencontainers/runtime-spec
 */
import type { IntelRdt, LinuxResources } from "./resources.ts";

/** What the state document of this runtime complies with. */
export const OCI_VERSION = "1.2.1";

export interface Spec {
  readonly ociVersion: string;
  readonly process?: Process;
  readonly root?: { readonly path: string; readonly readonly?: boolean };
  readonly hostname?: string;
  readonly domainname?: string;
  readonly mounts?: readonly SpecMount[];
  readonly hooks?: Readonly<Partial<Record<HookPoint, readonly Hook[]>>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly linux?: Linux;
}

export type HookPoint =
  | "prestart"
  | "createRuntime"
  | "createContainer"
  | "startContainer"
  | "poststart"
  | "poststop";

export interface Hook {
  readonly path: string;
  readonly args?: readonly string[];
  readonly env?: readonly string[];
  /** Seconds. */
  readonly timeout?: number;
}

export interface Process {
  readonly terminal?: boolean;
  readonly consoleSize?: { readonly height: number; readonly width: number };
  readonly user: SpecUser;
  readonly args: readonly string[];
  readonly env?: readonly string[];
  readonly cwd: string;
  readonly capabilities?: Capabilities;
  readonly rlimits?: readonly { readonly type: string; readonly hard: bigint; readonly soft: bigint }[];
  readonly noNewPrivileges?: boolean;
  readonly apparmorProfile?: string;
  readonly selinuxLabel?: string;
  readonly oomScoreAdj?: number;
  readonly scheduler?: Scheduler;
  readonly ioPriority?: IoPriority;
  readonly execCPUAffinity?: CpuAffinity;
}

export type SchedulerPolicy =
  | "SCHED_OTHER"
  | "SCHED_FIFO"
  | "SCHED_RR"
  | "SCHED_BATCH"
  | "SCHED_ISO"
  | "SCHED_IDLE"
  | "SCHED_DEADLINE";

/** Times in nanoseconds. */
export interface Scheduler {
  readonly policy: SchedulerPolicy;
  readonly nice?: number;
  readonly priority?: number;
  readonly flags?: readonly string[];
  readonly runtime?: bigint;
  readonly deadline?: bigint;
  readonly period?: bigint;
}

export type IoClass = "IOPRIO_CLASS_RT" | "IOPRIO_CLASS_BE" | "IOPRIO_CLASS_IDLE";

export interface IoPriority {
  readonly class: IoClass;
  readonly priority: number;
}

/** Lists like "0-3,7". Of processes that join the container, never of its first one. */
export interface CpuAffinity {
  readonly initial?: string;
  readonly final?: string;
}

export interface SpecUser {
  readonly uid: number;
  readonly gid: number;
  readonly umask?: number;
  readonly additionalGids?: readonly number[];
  /**
   * Our extension, never written by others: Docker's `user[:group]` and `--group-add`, already through the strict
   * grammar but not yet looked up. Init finds it in the image's own passwd and group files; uid and gid above are then
   * ignored. (docs/decisions/0002)
   */
  readonly gantryLookup?: {
    readonly user: IdentityName;
    readonly group: IdentityName;
    readonly additionalGroups: readonly string[];
  };
}

export type IdentityName =
  | { readonly kind: "none" }
  | { readonly kind: "number"; readonly id: number }
  | { readonly kind: "name"; readonly name: string };

export interface Capabilities {
  readonly bounding?: readonly string[];
  readonly effective?: readonly string[];
  readonly inheritable?: readonly string[];
  readonly permitted?: readonly string[];
  readonly ambient?: readonly string[];
}

export interface SpecMount {
  readonly destination: string;
  readonly type?: string;
  readonly source?: string;
  readonly options?: readonly string[];
  readonly uidMappings?: readonly IdMapping[];
  readonly gidMappings?: readonly IdMapping[];
  /**
   * Our extension, never written by others: the source of this bind mount is not a directory, so a missing destination
   * becomes a file. `markFileBinds` (linux/bind-sources.ts) fills it in for documents of others.
   */
  readonly gantryFile?: boolean;
  /** Our extension, never written by others: what to bind of the directory `source`, looked up there without leaving it. */
  readonly gantryBeneath?: string;
  /** Our extension, never written by others: the mount namespace that `source` is a path in, as a path on the host. */
  readonly gantryElsewhere?: string;
}

export type NamespaceType = "pid" | "network" | "mount" | "ipc" | "uts" | "user" | "cgroup" | "time";

export interface Namespace {
  readonly type: NamespaceType;
  readonly path?: string;
  /**
   * Our extension, never written by others: `path` is the namespace that the runtime itself is in.
   * `markHostNamespaces` (linux/own-namespaces.ts) fills it in.
   */
  readonly gantryHost?: boolean;
}

export interface Linux {
  readonly namespaces?: readonly Namespace[];
  readonly uidMappings?: readonly IdMapping[];
  readonly gidMappings?: readonly IdMapping[];
  readonly devices?: readonly LinuxDevice[];
  readonly cgroupsPath?: string;
  readonly resources?: LinuxResources;
  readonly intelRdt?: IntelRdt;
  readonly rootfsPropagation?: string;
  readonly seccomp?: Seccomp;
  readonly sysctl?: Readonly<Record<string, string>>;
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  readonly mountLabel?: string;
  /** By clock: "monotonic", "boottime". */
  readonly timeOffsets?: Readonly<Record<string, TimeOffset>>;
  readonly personality?: { readonly domain: "LINUX" | "LINUX32" };
  /** By the link's name on the host; `name` is the one in the container. */
  readonly netDevices?: Readonly<Record<string, { readonly name?: string }>>;
}

export interface TimeOffset {
  readonly secs?: bigint;
  readonly nanosecs?: number;
}

export interface IdMapping {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
}

export interface LinuxDevice {
  readonly path: string;
  readonly type: "c" | "b" | "u" | "p";
  readonly major?: number;
  readonly minor?: number;
  readonly fileMode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

export type SeccompAction =
  | "SCMP_ACT_KILL"
  | "SCMP_ACT_KILL_PROCESS"
  | "SCMP_ACT_KILL_THREAD"
  | "SCMP_ACT_TRAP"
  | "SCMP_ACT_ERRNO"
  | "SCMP_ACT_TRACE"
  | "SCMP_ACT_ALLOW"
  | "SCMP_ACT_LOG"
  | "SCMP_ACT_NOTIFY";

export type SeccompOperator =
  | "SCMP_CMP_NE"
  | "SCMP_CMP_LT"
  | "SCMP_CMP_LE"
  | "SCMP_CMP_EQ"
  | "SCMP_CMP_GE"
  | "SCMP_CMP_GT"
  | "SCMP_CMP_MASKED_EQ";

export interface Seccomp {
  readonly defaultAction: SeccompAction;
  readonly defaultErrnoRet?: number;
  readonly architectures?: readonly string[];
  readonly flags?: readonly string[];
  /** A unix stream socket: the agent that SCMP_ACT_NOTIFY asks. */
  readonly listenerPath?: string;
  readonly listenerMetadata?: string;
  readonly syscalls?: readonly SeccompRule[];
}

export interface SeccompRule {
  readonly names: readonly string[];
  readonly action: SeccompAction;
  readonly errnoRet?: number;
  readonly args?: readonly SeccompArg[];
}

export interface SeccompArg {
  readonly index: number;
  readonly value: bigint;
  readonly valueTwo?: bigint;
  readonly op: SeccompOperator;
}
