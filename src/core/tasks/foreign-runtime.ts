/**
 * Containers whose process another OCI runtime makes (docs/decisions/0007): the shim performs a plan that calls the runtime,
 * and this side writes what the runtime reads, reads what it says, and calls it for signals and pauses.
 *
 * `runtime.json` in the run directory is there before config.json and so before the shim is told anything: whoever
 * finds a task of a dead daemon knows which runtime has to be asked to delete it.
 */
import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, fail, messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { ProgramLimits, ProgramResult } from "../../base/process.ts";
import type { HostFacts } from "../../linux/host-facts.ts";
import { foreignExecPlan, foreignRunPlan, identityPlan } from "../../runtime/foreign-plan.ts";
import { decodeIdentity, foreignProcess, foreignSpec } from "../../runtime/foreign-spec.ts";
import { encodePlan } from "../../runtime/plan-codec.ts";
import type { Plan } from "../../runtime/plan.ts";
import { encodeProcess } from "../../specs/oci-runtime/encode.ts";
import type { Process, Spec } from "../../specs/oci-runtime/spec.ts";
import type { RootfsMount } from "../snapshots/snapshotter.ts";
import { type ExecFiles, locate, RUNTIME_FILES, RuntimeCommands } from "./foreign-commands.ts";
import { decodeRecord, encodeRecord, type ForeignRecord, lastWords } from "./foreign-record.ts";
import type { EncodedPlan } from "./planner.ts";
import type { RunDirectories } from "./run-directory.ts";
import { placeOf, withCgroupPath } from "./scopes.ts";
import { type ExecOptions, type RunOptions, type RuntimeProgram, TaskStartError } from "./tasks.ts";

export interface ForeignDeps {
  readonly facts: HostFacts;
  readonly directories: RunDirectories;
  /** Where the host's cgroup hierarchies are mounted. */
  readonly cgroupMounts: readonly string[];
  /** gantry-shim, which looks users up. */
  readonly shim: string;
  readonly runProgram: (
    file: string,
    args: readonly string[],
    limits: ProgramLimits,
  ) => Promise<ProgramResult>;
  readonly log: Logger;
}

const RECORD = "runtime.json";
const ASK_TIMEOUT_MS = 20_000;
const IDENTITY_TIMEOUT_MS = 10_000;
const MAX_OUTPUT_BYTES = 1 << 20;
const ENVIRONMENT = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" };

/** What runc, crun and runsc say when nobody is there any more. */
const IS_GONE = /not running|no such process|does not exist|already finished|already dead|not found/i;

export class ForeignRuntimes {
  readonly #deps: ForeignDeps;

  constructor(deps: ForeignDeps) {
    this.#deps = deps;
  }

  /** The container of this run directory; undefined when it is the built-in runtime's. Throws `internal` for a damaged record. */
  async find(id: string): Promise<ForeignContainer | undefined> {
    const text = await this.#deps.directories.readText(id, RECORD);
    return text === undefined ? undefined : new ForeignContainer(this.#deps, id, decodeRecord(text));
  }

  /** For a run directory that has just been made. Throws `invalid_argument` when the runtime is not there. */
  async make(id: string, program: RuntimeProgram, rootfs: RootfsMount): Promise<ForeignContainer> {
    const record: ForeignRecord = { program: await locate(program), rootfs };
    this.#deps.directories.writeText(id, RECORD, encodeRecord(record));
    return new ForeignContainer(this.#deps, id, record);
  }
}

/** An exec that the runtime is about to make. */
export interface ForeignExec {
  readonly plan: EncodedPlan;
  /** Why it failed, in the runtime's own words. */
  words(): Promise<string | undefined>;
  /** Removes its files: it runs, or never will. */
  finish(): Promise<void>;
}

export class ForeignContainer {
  readonly #deps: ForeignDeps;
  readonly #id: string;
  readonly #record: ForeignRecord;
  readonly #commands: RuntimeCommands;

  constructor(deps: ForeignDeps, id: string, record: ForeignRecord) {
    this.#deps = deps;
    this.#id = id;
    this.#record = record;
    this.#commands = new RuntimeCommands(record.program, id, deps.directories.pathOf(id));
  }

  /** The plan, and the specification for the runtime. Throws TaskStartError when the user is not known in the image. */
  async prepare(options: RunOptions): Promise<{ readonly plan: EncodedPlan; readonly spec: Spec }> {
    const { id, rootfs, consoleSize, init } = options;
    const { process } = options.spec;
    if (process === undefined) throw fail("invalid_argument", "no command specified");
    if (init)
      throw fail(
        "not_implemented",
        `--init is not supported with the runtime "${this.#record.program.path}"`,
      );
    const spec = foreignSpec(options.spec, await this.#resolved(process, consoleSize));
    const commands = this.#commands;
    const plan = foreignRunPlan({
      taskId: id,
      spec: withCgroupPath(spec, id),
      facts: this.#deps.facts,
      rootfs,
      staging: this.#path("rootfs"),
      create: commands.create(process.terminal ?? false),
      start: commands.start(),
      delete: commands.delete(),
      pidFile: RUNTIME_FILES.pid,
      consoleSocket: RUNTIME_FILES.console,
    });
    return { plan: encoded(plan), spec };
  }

  /** Why the start failed, in the runtime's own words; undefined when it said nothing. */
  words(): Promise<string | undefined> {
    return this.#words(RUNTIME_FILES.log);
  }

  async exec({ process, consoleSize }: ExecOptions): Promise<ForeignExec> {
    const name = `exec-${randomBytes(8).toString("hex")}`;
    const files: ExecFiles = {
      process: `${name}.json`,
      pid: `${name}.pid`,
      log: `${name}.log`,
      console: `${name}.sock`,
    };
    const { directories } = this.#deps;
    const terminal = process.terminal ?? false;
    const resolved = await this.#resolved(process, consoleSize);
    directories.writeText(this.#id, files.process, encodeProcess(resolved));
    const plan = foreignExecPlan({
      exec: this.#commands.exec(files, terminal),
      pidFile: files.pid,
      consoleSocket: terminal ? files.console : "",
    });
    return {
      plan: encoded(plan),
      words: () => this.#words(files.log),
      finish: () => directories.removeFiles(this.#id, Object.values(files)),
    };
  }

  /** Throws `not_found` when nobody is there to get it. */
  async signal(signal: number): Promise<void> {
    await this.#ask(this.#commands.kill(signal));
  }

  async pause(): Promise<void> {
    await this.#ask(this.#commands.ask("pause"));
  }

  async resume(): Promise<void> {
    await this.#ask(this.#commands.ask("resume"));
  }

  async isPaused(): Promise<boolean> {
    const state: unknown = JSON.parse(await this.#ask(this.#commands.ask("state")));
    return typeof state === "object" && state !== null && Reflect.get(state, "status") === "paused";
  }

  /** A runtime that was killed half-way may have left its cgroup in any hierarchy. */
  cgroupDirs(spec: Spec): readonly string[] {
    const { path } = placeOf(spec, this.#id);
    return this.#deps.cgroupMounts.map((mount) => join(mount, path));
  }

  /** Whatever state it is in; a runtime that knows nothing of it is fine. */
  async destroy(): Promise<void> {
    if (await this.#deps.directories.has(this.#id, `${RUNTIME_FILES.state}/${this.#id}`))
      await this.#ask(this.#commands.delete());
  }

  async #ask([file = "", ...args]: readonly string[]): Promise<string> {
    const limits = { timeoutMs: ASK_TIMEOUT_MS, maxBytes: MAX_OUTPUT_BYTES, env: ENVIRONMENT };
    const { exitCode, stdout, stderr } = await this.#deps.runProgram(file, args, limits);
    if (exitCode === 0) return stdout;
    const words = stderr.trim().split("\n").at(-1) ?? "";
    throw fail(
      IS_GONE.test(words) ? "not_found" : "internal",
      `"${file}" failed: ${words === "" ? `exit status ${exitCode}` : words}`,
    );
  }

  #words(log: string): Promise<string | undefined> {
    return this.#deps.directories
      .readTail(this.#id, log)
      .then((text) => (text === undefined ? undefined : lastWords(text)));
  }

  /** As the user that the image knows, with the window that the client asked for. */
  async #resolved(process: Process, { rows, cols }: RunOptions["consoleSize"]): Promise<Process> {
    const resolved = foreignProcess(process, decodeIdentity(await this.#lookUp(process)));
    return rows > 0 && cols > 0 && process.terminal === true
      ? { ...resolved, consoleSize: { height: rows, width: cols } }
      : resolved;
  }

  /** By the C program, in a mount namespace of its own: nothing of the image is reached by a path from here. */
  async #lookUp(process: Process): Promise<string> {
    const { directories, shim, runProgram } = this.#deps;
    const name = `identity-${randomBytes(8).toString("hex")}`;
    const state = this.#path(name);
    const plan = identityPlan(process.user, this.#record.rootfs, this.#path("rootfs"));
    await mkdir(state, { mode: 0o700 });
    try {
      const { exitCode, stdout, stderr } = await runProgram(
        shim,
        ["oci", "run", "--plan-fd", "3", "--state", state],
        {
          timeoutMs: IDENTITY_TIMEOUT_MS,
          maxBytes: MAX_OUTPUT_BYTES,
          env: {},
          descriptor3: encodePlan(plan),
        },
      );
      if (exitCode === 0) return stdout;
      throw new TaskStartError(lookUpFailure(stderr), { stage: "setup", errno: "" });
    } finally {
      await directories.removeTree(this.#id, name).catch((error: unknown) => {
        if (errnoOf(error) !== "ENOENT")
          this.#deps.log.warn("cannot remove what a look-up has left", {
            id: this.#id,
            error: messageOf(error),
          });
      });
    }
  }

  #path(name: string): string {
    return join(this.#deps.directories.pathOf(this.#id), name);
  }
}

function lookUpFailure(stderr: string): string {
  const words = stderr.trim().split("\n").at(-1) ?? "";
  return words.slice(words.indexOf("unable to start container process: ")).replace(/^.*?process: /, "");
}

function encoded(plan: Plan): EncodedPlan {
  return {
    bytes: encodePlan(plan),
    isExec: () => false,
    isCommand: (op) => plan.ops[op - 1]?.kind === "command",
  };
}
