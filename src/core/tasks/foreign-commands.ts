/**
 * How an OCI runtime that is not the built-in one is called: runc's command line, which crun and runsc take, too. Its state
 * lies in the task's run directory and goes with it. Pure, but for looking for the program.
 *
 *     PROGRAM ARGS --root DIR/runtime [--log F --log-format json] VERB ...
 */
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "../../base/errors.ts";
import type { RuntimeProgram } from "./tasks.ts";

const SEARCH_PATH = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/** Names in the run directory. The shim and what it runs have it as their working directory. */
export const RUNTIME_FILES = {
  state: "runtime",
  log: "runtime.log",
  pid: "runtime.pid",
  console: "console.sock",
  endLog: "runtime-end.log",
} as const;

/** The same program with its absolute path. Throws `invalid_argument` when there is none. */
export async function locate({ path, args }: RuntimeProgram): Promise<RuntimeProgram> {
  const candidates = path.includes("/") ? [path] : SEARCH_PATH.map((directory) => join(directory, path));
  for (const candidate of candidates) {
    if (!candidate.startsWith("/")) continue;
    try {
      await access(candidate, constants.X_OK);
      return { path: candidate, args };
    } catch {
      // The next one, or the failure below.
    }
  }
  throw fail("invalid_argument", `cannot find the runtime "${path}"`);
}

/** The files of one exec. */
export interface ExecFiles {
  readonly process: string;
  readonly pid: string;
  readonly log: string;
  readonly console: string;
}

export class RuntimeCommands {
  readonly #program: RuntimeProgram;
  readonly #id: string;
  readonly #directory: string;

  /** `program`: located. `directory`: of the task, the bundle. */
  constructor(program: RuntimeProgram, id: string, directory: string) {
    this.#program = program;
    this.#id = id;
    this.#directory = directory;
  }

  create(terminal: boolean): readonly string[] {
    return [
      ...this.#logging(RUNTIME_FILES.log),
      "create",
      "--bundle",
      this.#directory,
      "--pid-file",
      this.#path(RUNTIME_FILES.pid),
      ...(terminal ? ["--console-socket", RUNTIME_FILES.console] : []),
      this.#id,
    ];
  }

  start(): readonly string[] {
    return [...this.#logging(RUNTIME_FILES.log), "start", this.#id];
  }

  exec(files: ExecFiles, terminal: boolean): readonly string[] {
    return [
      ...this.#logging(files.log),
      "exec",
      "--detach",
      "--process",
      this.#path(files.process),
      "--pid-file",
      this.#path(files.pid),
      ...(terminal ? ["--console-socket", files.console] : []),
      this.#id,
    ];
  }

  delete(): readonly string[] {
    return [...this.#logging(RUNTIME_FILES.endLog), "delete", "--force", this.#id];
  }

  kill(signal: number): readonly string[] {
    return [...this.#plain(), "kill", this.#id, String(signal)];
  }

  /** `pause`, `resume`, `state` */
  ask(verb: "pause" | "resume" | "state"): readonly string[] {
    return [...this.#plain(), verb, this.#id];
  }

  #plain(): readonly string[] {
    return [this.#program.path, ...this.#program.args, "--root", this.#path(RUNTIME_FILES.state)];
  }

  #logging(log: string): readonly string[] {
    return [...this.#plain(), "--log", this.#path(log), "--log-format", "json"];
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }
}
