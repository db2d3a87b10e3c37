/** The command's face: global flags, the verb, its flags, help, exit codes. Verbs are modules that are loaded one at a time. */
import { resolve } from "node:path";
import { GantryError, errnoOf, fail, messageOf } from "../base/errors.ts";
import type { Native } from "../linux/native.ts";
import { namesItsReader } from "../linux/reader-paths.ts";
import { OwnProcessNeeded } from "../base/own-process.ts";
import type { Caller } from "./caller.ts";
import type { Context, Verb } from "./context.ts";
import { type Flag, type Flags, type Parsed, parseFlags } from "./flags.ts";
import { Logger, checkLogFormat } from "./log.ts";

export interface Invocation {
  /** Words after the program's name. */
  readonly words: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly workingDirectory: string;
  readonly version: string;
  readonly commit: string;
  readonly caller: Caller;
  native(): Native;
  /** Answers for other processes until it is told to end: resident/server.ts. */
  serve(socket: string, log: Logger): Promise<number>;
}

export const PROGRAM = "gantry-runc";
/** The release of the runtime specification that `plan` understands. */
export const SPEC_VERSION = "1.2.0";
const DEFAULT_ROOT = "/run/gantry-runc";
/** As runc's for a verb that it does not have. */
const UNKNOWN_VERB = 3;

const GLOBAL_FLAGS: readonly Flag[] = [
  { names: ["debug"], kind: "switch", help: "log what is being done" },
  { names: ["log"], kind: "text", help: "append log lines to this file (default: standard error)" },
  { names: ["log-format"], kind: "text", help: '"text" (default) or "json"' },
  { names: ["root"], kind: "text", help: `where the state of containers is kept (default: ${DEFAULT_ROOT})` },
  {
    names: ["systemd-cgroup"],
    kind: "switch",
    help: 'let systemd make the cgroups; cgroupsPath is "slice:prefix:name" then',
  },
  { names: ["rootless"], kind: "text", help: '"auto" (default) or "false"; "true" is not supported' },
  // Of no effect in runc either, which looks for criu in the search path; callers still give it.
  { names: ["criu"], kind: "text" },
  { names: ["help", "h"], kind: "switch", help: "show this" },
  { names: ["version", "v"], kind: "switch", help: "show the version" },
];
const HELP_FLAG: Flag = { names: ["help", "h"], kind: "switch", help: "show this" };

const VERBS: Readonly<Record<string, () => Promise<{ readonly verb: Verb }>>> = {
  checkpoint: () => import("./verbs/checkpoint.ts"),
  create: () => import("./verbs/create.ts"),
  delete: () => import("./verbs/delete.ts"),
  events: () => import("./verbs/events.ts"),
  exec: () => import("./verbs/exec.ts"),
  features: () => import("./verbs/features.ts"),
  kill: () => import("./verbs/kill.ts"),
  list: () => import("./verbs/list.ts"),
  pause: () => import("./verbs/pause.ts"),
  plan: () => import("./verbs/plan.ts"),
  ps: () => import("./verbs/ps.ts"),
  restore: () => import("./verbs/restore.ts"),
  resume: () => import("./verbs/resume.ts"),
  run: () => import("./verbs/run.ts"),
  serve: () => import("./verbs/serve.ts"),
  spec: () => import("./verbs/spec.ts"),
  start: () => import("./verbs/start.ts"),
  state: () => import("./verbs/state.ts"),
  update: () => import("./verbs/update.ts"),
};

/** Returns the exit code. Nothing but OwnProcessNeeded is thrown: a failure is told on standard error and in the log. */
export async function main(invocation: Invocation): Promise<number> {
  const { caller } = invocation;
  let log = new Logger({ program: PROGRAM, file: "", format: "text", debug: false }, caller);
  let verb: Verb | undefined;
  try {
    const globals = parseFlags(invocation.words, GLOBAL_FLAGS, false);
    log = openLog(globals.flags, invocation);
    const [name = "help", ...words] = globals.args;
    if (globals.flags.isOn("version")) return print(caller, versionText(invocation));
    if (globals.flags.isOn("help") || ((name === "help" || name === "h") && words.length === 0))
      return print(caller, await overview());
    const isHelp = name === "help" || name === "h";
    const wanted = isHelp ? (words[0] ?? "") : name;
    const load = Object.hasOwn(VERBS, wanted) ? VERBS[wanted] : undefined;
    if (load === undefined) {
      log.failure(`no such command: ${JSON.stringify(wanted)}; see ${PROGRAM} --help`);
      return UNKNOWN_VERB;
    }
    ({ verb } = await load());
    if (verb.isResident !== true) caller.ownProcess(wanted);
    if (isHelp) return print(caller, verbHelp(wanted, verb));
    const parsed = parseFlags(words, [...verb.flags, HELP_FLAG], verb.passesWords !== true);
    if (parsed.flags.isOn("help")) return print(caller, verbHelp(wanted, verb));
    checkCount(wanted, verb, parsed);
    return await verb.run(openContext(invocation, globals.flags, log), parsed);
  } catch (error) {
    if (error instanceof OwnProcessNeeded) throw error;
    return report(error, log, verb);
  }
}

function report(error: unknown, log: Logger, verb: Verb | undefined): number {
  // Whoever reads our output has left: nobody to tell.
  if (errnoOf(error) === "EPIPE") return 1;
  const text = messageOf(error);
  log.failure(`${verb?.failurePrefix ?? ""}${text}`);
  if (!(error instanceof GantryError) && errnoOf(error) === undefined && error instanceof Error)
    log.debug(error.stack ?? "");
  return verb?.failureCode ?? 1;
}

function checkCount(name: string, verb: Verb, { args }: Parsed): void {
  if (args.length >= verb.least && args.length <= verb.most) return;
  const wanted =
    verb.least === verb.most
      ? `exactly ${verb.least} argument(s)`
      : args.length < verb.least
        ? `a minimum of ${verb.least} argument(s)`
        : `a maximum of ${verb.most} argument(s)`;
  throw fail("invalid_argument", `"${name}" requires ${wanted}; usage: ${PROGRAM} ${name} ${verb.usage}`);
}

function openLog(flags: Flags, { workingDirectory, caller }: Invocation): Logger {
  const file = flags.text("log");
  return new Logger(
    {
      program: PROGRAM,
      file: file === "" || file === "/dev/stderr" ? "" : resolve(workingDirectory, file),
      format: checkLogFormat(flags.text("log-format")),
      debug: flags.isOn("debug"),
    },
    caller,
  );
}

function openContext(invocation: Invocation, flags: Flags, log: Logger): Context {
  const rootless = flags.text("rootless");
  if (rootless === "true")
    throw fail("not_implemented", "--rootless=true is not supported: this runtime must be run as root");
  if (!["", "auto", "false"].includes(rootless))
    throw fail(
      "invalid_argument",
      `--rootless is "auto", "true" or "false", not ${JSON.stringify(rootless)}`,
    );
  const { environment, caller, version, commit } = invocation;
  let native: Native | undefined;
  const root = resolve(invocation.workingDirectory, flags.text("root") || DEFAULT_ROOT);
  if (namesItsReader(root)) caller.ownProcess("the root");
  if (flags.isOn("systemd-cgroup")) caller.ownProcess("systemd");
  return {
    root,
    workingDirectory: invocation.workingDirectory,
    systemdCgroup: flags.isOn("systemd-cgroup"),
    log,
    environment,
    caller,
    version,
    commit,
    native: () => (native ??= invocation.native()),
    serve: (socket) => invocation.serve(socket, log),
    write: (text) => caller.write(1, text),
  };
}

function print(caller: Caller, text: string): number {
  caller.write(1, text);
  return 0;
}

/** Callers read the lines "commit:" and "spec:". */
function versionText({ version, commit }: Invocation): string {
  return `${PROGRAM} version ${version}\ncommit: ${commit}\nspec: ${SPEC_VERSION}\n`;
}

async function overview(): Promise<string> {
  const lines = await Promise.all(
    Object.entries(VERBS).map(
      async ([name, load]) => `  ${name.padEnd(12)} ${(await load()).verb.summary}\n`,
    ),
  );
  return `Usage: ${PROGRAM} [GLOBAL FLAGS] COMMAND [FLAGS] [ARGUMENTS]

Runs containers from OCI bundles: a directory with config.json and a root filesystem.

Commands:
${lines.join("")}
Global flags:
${flagHelp(GLOBAL_FLAGS)}`;
}

function verbHelp(name: string, verb: Verb): string {
  return `Usage: ${PROGRAM} ${name} [FLAGS] ${verb.usage}

${verb.summary[0]?.toUpperCase() ?? ""}${verb.summary.slice(1)}.

Flags:
${flagHelp([...verb.flags, HELP_FLAG])}`;
}

function flagHelp(flags: readonly Flag[]): string {
  return flags
    .flatMap(({ names, kind, help, refused }) => {
      if (help === undefined && refused === undefined) return [];
      const dashed = names.map((name) => (name.length === 1 ? `-${name}` : `--${name}`)).join(", ");
      const shown = kind === "switch" ? dashed : `${dashed} VALUE`;
      return [`  ${shown.padEnd(28)} ${help ?? `not supported: ${refused ?? ""}`}\n`];
    })
    .join("");
}
