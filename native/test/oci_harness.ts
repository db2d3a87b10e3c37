/** Runs `gantry-shim oci` as gantry-runc would, for the tests beside this file: plans, state directories, what is left. */
import { type ChildProcess, spawn } from "node:child_process";
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { encodePlan } from "../../src/runtime/plan-codec.ts";
import { HOOK_STAGE, type HookOp, type Plan, type PlanOp } from "../../src/runtime/plan.ts";

export const binary = process.env["GANTRY_SHIM"] ?? join(import.meta.dirname, "../../build/gantry-shim");

const CLONE_NEWNS = 0x20000;
const CLONE_NEWPID = 0x20000000;
const MS_PRIVATE = 1n << 18n;

/** Why containers cannot be made here; undefined when they can. */
export const missing =
  process.getuid?.() !== 0
    ? "needs root"
    : existsSync("/bin/busybox")
      ? undefined
      : "needs a static /bin/busybox (package busybox-static)";
if (missing !== undefined) console.log(`skipped: ${missing}`);

export const PATH = "/bin:/usr/bin";

export function exec(...argv: string[]): PlanOp {
  return { kind: "exec", argv, env: [`PATH=${PATH}`], searchPath: PATH };
}

export const sh = (script: string): PlanOp => exec("sh", "-c", script);

export const sync = (lookup = false): PlanOp => ({ kind: "sync", lookup });

export function hook(
  stage: keyof typeof HOOK_STAGE,
  script: string,
  options: { timeoutS?: number } = {},
): HookOp {
  return {
    kind: "hook",
    stage: HOOK_STAGE[stage],
    path: "/bin/busybox",
    argv: ["sh", "-c", script, "hook"],
    env: ["MARK=given", `PATH=${PATH}`],
    timeoutS: options.timeoutS ?? 0,
    stateHead: `{"id":"x","status":"${stage}","pid":`,
    stateTail: ',"bundle":"/b"}',
  };
}

export const hooksHere = (stage: keyof typeof HOOK_STAGE): PlanOp => ({
  kind: "hooks",
  stage: HOOK_STAGE[stage],
});

export interface Result {
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly done: Promise<Result>;
}

export interface RunOptions {
  readonly cwd?: string;
  /** Text for standard input; "" = none. */
  readonly input?: string;
  /** Files to be descriptors 3 and up. */
  readonly preserved?: readonly string[];
}

/** A directory with everything one container needs. Disposed: whatever runs in it is killed, and all of it removed. */
export class Place implements AsyncDisposable {
  readonly dir = mkdtempSync(join(tmpdir(), "gantry-oci-"));
  readonly rootfs = join(this.dir, "rootfs");
  readonly state = join(this.dir, "state/c");
  readonly pidFile = join(this.dir, "pid");
  readonly cgroup: string;
  readonly cgroupVersion: number;
  #runs = 0;

  constructor() {
    mkdirSync(this.state, { recursive: true });
    for (const name of ["bin", "proc", "sys", "dev", "tmp"])
      mkdirSync(join(this.rootfs, name), { recursive: true });
    copyFileSync("/bin/busybox", join(this.rootfs, "bin/busybox"));
    for (const name of ["sh", "cat", "echo", "sleep", "true", "ls", "kill", "readlink"])
      symlinkSync("busybox", join(this.rootfs, "bin", name));
    const isUnified = existsSync("/sys/fs/cgroup/cgroup.controllers");
    this.cgroupVersion = isUnified ? 2 : 1;
    this.cgroup = join(
      isUnified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/pids",
      this.dir.slice(tmpdir().length + 1),
    );
  }

  /** Of the machine's own files, in a pid namespace. */
  plain(...ops: PlanOp[]): Plan {
    return { cloneFlags: CLONE_NEWPID, join: false, terminal: false, hostPid: false, ops };
  }

  /** With a root and cgroup of its own. `before`: host side. `mounted`: between mounts and pivot. */
  whole(
    ops: readonly PlanOp[],
    extra: { before?: readonly PlanOp[]; mounted?: readonly PlanOp[] } = {},
  ): Plan {
    const mount = (fstype: string, target: string): PlanOp => ({
      kind: "mount",
      targetMode: false,
      copyUp: false,
      fstype,
      source: fstype,
      target,
      options: [],
      attrs: 0n,
      propagation: 0n,
      dirMode: 0,
      idmap: 0,
    });
    return {
      cloneFlags: CLONE_NEWPID | CLONE_NEWNS,
      join: false,
      terminal: false,
      hostPid: false,
      ops: [
        { kind: "cgroup-create", dir: this.cgroup },
        ...(extra.before ?? []),
        { kind: "cgroup-join", dir: this.cgroup, version: this.cgroupVersion },
        { kind: "propagation", propagation: MS_PRIVATE },
        { kind: "root-bind", source: this.rootfs, staging: this.rootfs, idmap: 0 },
        mount("proc", "/proc"),
        mount("tmpfs", "/dev"),
        { kind: "device", path: "/dev/null", type: "c", major: 1, minor: 3, mode: 0o666, uid: 0, gid: 0 },
        ...(extra.mounted ?? []),
        { kind: "pivot", rootReadonly: false },
        ...ops,
      ],
    };
  }

  joining(...ops: PlanOp[]): Plan {
    return {
      cloneFlags: CLONE_NEWPID | CLONE_NEWNS,
      join: true,
      terminal: false,
      hostPid: false,
      ops,
    };
  }

  /** Begins a run; its standard output and error go to files, because a container may keep them open. */
  begin(verb: string, plan: Plan | undefined, args: readonly string[], options: RunOptions = {}): Running {
    const run = ++this.#runs;
    const path = (name: string): string => join(this.dir, `${name}${run}`);
    writeFileSync(path("plan"), plan === undefined ? "" : encodePlan(plan));
    writeFileSync(path("in"), options.input ?? "");
    const preserved = (options.preserved ?? []).map((file) => openSync(file, "r"));
    const fds = [
      openSync(path("in"), "r"),
      openSync(path("out"), "w"),
      openSync(path("err"), "w"),
      ...preserved,
      openSync(path("plan"), "r"),
    ];
    const planArgs = plan === undefined ? [] : ["--plan-fd", String(fds.length - 1)];
    const child = spawn(binary, ["oci", verb, ...planArgs, ...args], {
      stdio: fds,
      cwd: options.cwd ?? this.dir,
    });
    for (const fd of fds) closeSync(fd);
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    child.on("error", reject);
    child.on("exit", (status, signal) => {
      const read = (name: string): string => readFileSync(path(name), "utf8");
      resolve({ status, signal, stdout: read("out"), stderr: read("err") });
    });
    return { child, done: promise };
  }

  oci(
    verb: string,
    plan: Plan | undefined,
    args: readonly string[] = [],
    options: RunOptions = {},
  ): Promise<Result> {
    const state = verb === "exec" ? [] : ["--state", this.state];
    return this.begin(verb, plan, [...state, ...args], options).done;
  }

  /** Creates, and says which process it is. */
  async create(plan: Plan, ...args: string[]): Promise<number> {
    const result = await this.oci("create", plan, ["--pid-file", this.pidFile, ...args]);
    if (result.status !== 0) throw new Error(`create: ${result.stderr}`);
    return Number(readFileSync(this.pidFile, "utf8"));
  }

  start(pid: number, ...ops: PlanOp[]): Promise<Result> {
    return this.oci("start", this.plain(...ops, exec("-")), ["--join", String(pid)]);
  }

  file(name: string): string {
    return readFileSync(join(this.dir, name), "utf8");
  }

  inCgroup(): number[] {
    const file = join(this.cgroup, "cgroup.procs");
    if (!existsSync(file)) return [];
    return readFileSync(file, "utf8").split("\n").filter(Boolean).map(Number);
  }

  /** What `delete --force` does. */
  async clear(): Promise<void> {
    const record = join(this.state, "pid");
    for (const pid of this.inCgroup()) kill(pid);
    if (existsSync(record)) {
      const { pid, startTicks }: { pid: number; startTicks: number } = JSON.parse(
        readFileSync(record, "utf8"),
      );
      if (startTicksOf(pid) === startTicks) kill(pid);
    }
    await until(() => this.inCgroup().length === 0);
    if (existsSync(this.cgroup)) rmdirSync(this.cgroup);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.clear();
    rmSync(this.dir, { recursive: true });
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

export function startTicksOf(pid: number): number | undefined {
  const file = `/proc/${pid}/stat`;
  if (!existsSync(file)) return undefined;
  return Number(readFileSync(file, "utf8").split(") ").at(-1)?.split(" ")[19]);
}

export const isAlive = (pid: number): boolean => {
  try {
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
};

export const commandOf = (pid: number): string => readFileSync(`/proc/${pid}/comm`, "utf8").trim();

/** What the process's descriptors are. One may be closed while they are looked at. */
export function linksOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      return [];
    }
  });
}

/** Processes whose command line has `mark` in it. */
export function processesWith(mark: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(mark);
      } catch {
        return false;
      }
    });
}

export async function until(condition: () => boolean, ms = 5000): Promise<void> {
  for (const end = performance.now() + ms; !condition(); ) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${condition.toString()}`);
    await sleep(2);
  }
}
