/** A task manager on a temporary directory whose shims are fakes in this process and whose kernel only takes notes. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NO_LOG } from "../../../base/log.ts";
import type { CgroupSample } from "../../../linux/cgroup-use.ts";
import type { ProcessIdentity } from "../../../shim/protocol.ts";
import { FakeShim } from "../../../shim/testing/fake-shim.ts";
import type { Spec } from "../../../specs/oci-runtime/spec.ts";
import type { LeftoverDeps } from "../leftovers.ts";
import { TaskManager } from "../manager.ts";
import type { Planner } from "../planner.ts";
import { RunDirectories } from "../run-directory.ts";
import { placeOf } from "../scopes.ts";
import type { RunOptions } from "../tasks.ts";

/** No process has this number: it is beyond the kernel's largest (proc(5), pid_max). */
export const PROCESS: ProcessIdentity = { pid: 5_000_000, startTicks: 7n };

export const SPEC: Spec = {
  ociVersion: "1.2.0",
  process: { user: { uid: 0, gid: 0 }, args: ["/bin/true"], cwd: "/" },
  linux: { cgroupsPath: "/test/c1" },
};

export const SHIM_PID = 5_000_001;

/** The third step of a fake plan is its execve. */
export const EXEC_STEP = 3;

const PLANNER: Planner = {
  run: () => ({ bytes: Buffer.from("run"), isExec: (op) => op === EXEC_STEP }),
  exec: () => ({ bytes: Buffer.from("exec"), isExec: (op) => op === EXEC_STEP }),
  cgroupDirs: (_, spec) => [`/cg${spec.linux?.cgroupsPath ?? ""}`],
  scope: (id, spec) => placeOf(spec, id).scope?.unit,
  encodeSpec: (spec) => JSON.stringify(spec),
  decodeSpec: (text) => JSON.parse(text),
};

export class TaskWorld implements Disposable {
  readonly root: string;
  readonly shims = new Map<string, FakeShim>();
  /** What was done to control groups and processes, in order. */
  readonly acts: string[] = [];
  /** Called with each shim right after its start. */
  onSpawn: (shim: FakeShim, id: string) => void = () => {};
  answerTimeoutMs = 2_000;
  readonly frozen = new Set<string>();
  /** Directories of cgroups that are there after the end of a shim. */
  readonly leftDirs = new Set<string>();
  onClear: () => void = () => {};
  onScope: () => void = () => {};
  onStopScope: () => void = () => {};
  foreign: LeftoverDeps["foreign"] = {
    find: async () => undefined,
    make: async () => {
      throw new Error("there are no other runtimes here");
    },
  };

  /** What every task has used; undefined: its cgroup is gone. */
  used: CgroupSample | undefined;
  /** Why the kernel refuses limits. */
  refusal: Error | undefined;

  constructor() {
    this.root = mkdtempSync(join(tmpdir(), "tasks-"));
  }

  /** A manager as of a freshly started daemon. */
  manager(): TaskManager {
    return new TaskManager({
      directories: new RunDirectories(join(this.root, "tasks"), (path) =>
        rm(path, { recursive: true, force: true }),
      ),
      planner: PLANNER,
      foreign: this.foreign,
      log: NO_LOG,
      answerTimeoutMs: this.answerTimeoutMs,
      pidfds: {
        pidfdOpen: (pid) => pid,
        pidfdSignal: (pidfd, signal) => this.acts.push(`signal ${pidfd} ${signal}`),
        pidfdGetfd: (pidfd, number) => {
          this.acts.push(`copy ${pidfd === process.pid ? "own" : pidfd} ${number}`);
          return number;
        },
        closeFd: () => {},
      },
      cgroups: {
        use: async (dirs) => {
          this.acts.push(`use ${dirs.join()}`);
          return this.used;
        },
        update: async (dirs, resources) => {
          this.acts.push(`limit ${dirs.join()} to ${resources.pids?.limit}`);
          if (this.refusal !== undefined) throw this.refusal;
        },
        freeze: async (dirs) => {
          this.acts.push(`freeze ${dirs.join()}`);
        },
        thaw: async (dirs) => {
          this.acts.push(`thaw ${dirs.join()}`);
        },
        isFrozen: async (dirs) => dirs.some((dir) => this.frozen.has(dir)),
        isLeft: (dirs) => dirs.some((dir) => this.leftDirs.has(dir)),
        empty: async (dirs) => {
          this.acts.push(`empty ${dirs.join()}`);
        },
        clear: async (dirs) => {
          this.onClear();
          this.acts.push(`clear ${dirs.join()}`);
        },
      },
      scopes: {
        start: async (id, _spec, pid) => {
          this.onScope();
          this.acts.push(`start scope of ${id} with ${pid}`);
        },
        update: async (unit, dirs, resources) => {
          this.acts.push(`limit ${unit} and ${dirs.join()} to ${resources.pids?.limit}`);
        },
        stop: async (unit) => {
          this.onStopScope();
          this.acts.push(`stop ${unit}`);
        },
      },
      spawnShim: (id, directory, others) => {
        const { shim, control } = FakeShim.spawn(directory, PROCESS);
        this.shims.set(id, shim);
        this.onSpawn(shim, id);
        return {
          pid: SHIM_PID,
          control,
          others: Array.from({ length: others }, () => shim.connect()),
          kill: () => {
            this.acts.push(`kill shim ${id}`);
            shim.crash();
          },
        };
      },
    });
  }

  shim(id: string): FakeShim {
    const shim = this.shims.get(id);
    if (shim === undefined) throw new Error(`no shim for "${id}"`);
    return shim;
  }

  directory(id: string): string {
    return join(this.root, "tasks", id);
  }

  /** The run directory of a task as an earlier daemon left it, with a living shim if `running`. */
  async leftover(id: string, what: { running?: boolean; spec?: Spec | undefined } = {}): Promise<void> {
    const directory = this.directory(id);
    mkdirSync(join(directory, "rootfs"), { recursive: true });
    writeFileSync(join(directory, "config.json"), JSON.stringify(what.spec ?? SPEC));
    if (what.running) this.shims.set(id, await FakeShim.running(directory, PROCESS));
  }

  [Symbol.dispose](): void {
    for (const shim of this.shims.values()) shim.crash();
    rmSync(this.root, { recursive: true });
  }
}

export function runOptions(id: string, more: Partial<RunOptions> = {}): RunOptions {
  return {
    id,
    spec: SPEC,
    rootfs: { kind: "overlay", lowers: ["/l"], upper: "/u", work: "/w" },
    log: undefined,
    stdin: false,
    stdinOnce: false,
    consoleSize: { rows: 0, cols: 0 },
    init: false,
    runtime: undefined,
    attach: [],
    ...more,
  };
}
