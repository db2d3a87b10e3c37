/**
 * Running containers. A task is one container's process with its shim; it begins at `run` and ends with its exit. The
 * shim owns stdio, log and exit status, so a task goes on when this process dies: `reconnect` finds all of them again.
 *
 * Run directory of a task, `<state>/tasks/<id>/`, mode 0700: `shim.sock`, `pid`, `exit` (written by the shim),
 * `config.json` (the OCI spec), `rootfs/` (the empty directory init attaches the root to in its own mount namespace),
 * `given-up` (it is being cleared away). Of another runtime's also `runtime.json`, and what is named in foreign-commands.ts: the runtime's state, logs and sockets.
 */
import type { Duplex } from "node:stream";
import type { CgroupSample } from "../../linux/cgroup-use.ts";
import type { LinuxResources } from "../../specs/oci-runtime/resources.ts";
import type { Spec } from "../../specs/oci-runtime/spec.ts";
import type { RootfsMount } from "../snapshots/snapshotter.ts";

export interface TaskExit {
  /** 0-255; 128+n when killed by signal n. */
  readonly exitCode: number;
  readonly signal: number;
  readonly oomKilled: boolean;
  /** Unix nanoseconds. */
  readonly exitedAtNs: bigint;
  /** True when the shim died and the real status is unknown: exitCode is 137 then. */
  readonly lost: boolean;
}

export interface LogSink {
  readonly path: string;
  /** 0 = never rotate. */
  readonly maxBytes: number;
  readonly maxFiles: number;
  readonly compress: boolean;
  /** Bytes that are not UTF-8 are kept; Docker's json-file replaces them. */
  readonly exact: boolean;
  /** A JSON object text for every line's "attrs", or "". */
  readonly attrs: string;
}

/** An OCI runtime that is not the built-in one: a program that takes runc's command line. */
export interface RuntimeProgram {
  readonly path: string;
  readonly args: readonly string[];
}

export interface RunOptions {
  readonly id: string;
  readonly spec: Spec;
  /** `idmapped`: the ids of the container's user namespace are unshifted on disk, as `compile` has it. */
  readonly rootfs: RootfsMount & { readonly idmapped?: boolean };
  /** undefined = keep no log. */
  readonly log: LogSink | undefined;
  readonly stdin: boolean;
  readonly stdinOnce: boolean;
  readonly consoleSize: { readonly rows: number; readonly cols: number };
  /** Keep PID 1 as a reaping, signal-forwarding init. */
  readonly init: boolean;
  /** Undefined = the built-in one. */
  readonly runtime: RuntimeProgram | undefined;
  /** Streams that are there before the process runs a single instruction of the image, and so miss nothing. */
  readonly attach: readonly EarlyAttach[];
  /** Called when the process is there, with its namespaces, and has not begun. When it throws nothing is left. */
  readonly beforeStart?: ((task: CreatedTask) => Promise<void>) | undefined;
}

/** A task between its creation and its start. */
export type CreatedTask = Pick<Task, "id" | "pid" | "keep">;

/** Where a start failed decides the exit code that Docker shows: 126, 127 or 128. */
export interface StartFailure {
  /** "runtime": another runtime refused it, and the message is its own. */
  readonly stage: "setup" | "exec" | "runtime";
  readonly errno: string;
}

/** The process did not come to life. `message` is the step's own text with the reason in words. */
export class TaskStartError extends Error {
  readonly stage: StartFailure["stage"];
  readonly errno: string;

  constructor(message: string, failure: StartFailure, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "TaskStartError";
    this.stage = failure.stage;
    this.errno = failure.errno;
  }
}

export interface AttachOptions {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

export interface EarlyAttach {
  readonly options: AttachOptions;
  /** Called once, with undefined when there will be no stream. The receiver owns the stream; it ends with a start that fails. */
  readonly deliver: (stream: Duplex | undefined) => void;
}

export interface ExecOptions {
  readonly execId: string;
  readonly process: NonNullable<Spec["process"]>;
  readonly stdin: boolean;
  readonly consoleSize: { readonly rows: number; readonly cols: number };
  /** Without a stream the output is discarded. */
  readonly stream: boolean;
}

export interface ExecProcess {
  readonly pid: number;
  /** Docker-framed (or raw, with a terminal) output out; standard input in; half-closes both ways. Undefined when detached. */
  readonly stream: Duplex | undefined;
  readonly exited: Promise<{ readonly exitCode: number; readonly signal: number }>;
}

export interface Task {
  readonly id: string;
  readonly pid: number;
  /** When its process was made, Unix nanoseconds; of one that was found again, too. */
  readonly madeAtNs: bigint;
  readonly terminal: boolean;
  /** Settles once, never rejects. */
  readonly exited: Promise<TaskExit>;
  /** To the main process (`execId` undefined) or an exec's; `not_found` when it is gone. Delivered through a pidfd. */
  signal(signal: number, execId?: string): Promise<void>;
  resize(rows: number, cols: number, execId?: string): Promise<void>;
  /**
   * Raw connection to the shim: framing as for exec. The caller pipes it, unchanged, to its own client; it flows from
   * the first reader on. `conflict` when the task has ended.
   */
  attach(options: AttachOptions): Promise<Duplex>;
  /** Throws TaskStartError when the program cannot be executed, `conflict` when the task has ended or is paused. */
  exec(options: ExecOptions): Promise<ExecProcess>;
  /** As far as this side has asked for it, or found it when it connected again. */
  readonly isPaused: boolean;
  /**
   * Has the shim keep a copy of a descriptor as long as the task lives, whatever becomes of this process. The name is its own;
   * what was kept under it before is closed.
   */
  keep(name: string, descriptor: number): Promise<void>;
  /** Copies of what is kept, by name; the caller closes them. */
  kept(): Promise<ReadonlyMap<string, number>>;
  /** Deletes all files of the log while its shim goes on writing. `conflict` when the task has ended or its names are in use. */
  clearLog(): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /**
   * Calls back each time that its memory runs out, whichever of its processes wants more: before the end of the one that is
   * killed is told. Not for what happened while nobody was connected to its shim. Returns a function that takes it away again.
   */
  onOom(listener: () => void): () => void;
  /** What it has used so far, execs included. `conflict` when it has ended. */
  use(): Promise<CgroupSample>;
  /**
   * Has it live within these limits from now on; what they do not name stays as it is. All of them or none: throws
   * `invalid_argument` for what the kernel refuses, `conflict` when it has ended. They end with the task.
   */
  limit(resources: LinuxResources): Promise<void>;
}

export interface Tasks {
  /** Makes and starts a task. Throws TaskStartError when it does not come to life; nothing is left then. */
  run(options: RunOptions, signal: AbortSignal): Promise<Task>;
  get(id: string): Task | undefined;
  /**
   * Finds the tasks of an earlier daemon: those alive come back as tasks (`exited` pending), those that ended
   * meanwhile with their recorded exit, those whose shim was killed as lost. A shim that does not answer within two
   * seconds holds nobody up: its task comes back, too, and its calls throw `unavailable` until it answers. Starts that
   * were cut short, and run directories of ids not asked for, are killed and cleared away.
   */
  reconnect(ids: readonly string[]): Promise<ReadonlyMap<string, Task>>;
  /**
   * Deletes the run directory of an ended task and forgets the task; when it returns the task's cgroups are gone.
   * `conflict` while it runs. A missing one is fine.
   */
  remove(id: string): Promise<void>;
}
