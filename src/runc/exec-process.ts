/** `exec` up to the point where the C program takes over. Nothing is changed on the host until then. */
import { resolve } from "node:path";
import { fail } from "../base/errors.ts";
import { readHostFacts } from "../linux/host-facts.ts";
import type { ProcessIdentity } from "../linux/process-state.ts";
import { leadsToItsReader } from "../linux/reader-paths.ts";
import { markHostNamespaces } from "../linux/own-namespaces.ts";
import { compileExec } from "../runtime/compile.ts";
import { encodePlan } from "../runtime/plan-codec.ts";
import { decodeProcessDocument } from "../specs/oci-runtime/decode.ts";
import type { Capabilities, Process } from "../specs/oci-runtime/spec.ts";
import { recordedSpec } from "./cgroup-driver.ts";
import { leaveLongDocument } from "./caller.ts";
import { type Container, loadContainer, mainProcess } from "./container.ts";
import type { Context } from "./context.ts";
import { readDocument } from "./files.ts";
import type { Flag, Flags } from "./flags.ts";
import { listenEnvironment, listenFds, withEnvironment } from "./handed-down.ts";
import { becomePerformer } from "./performer.ts";
import { conditionOf } from "./status.ts";
import { parseSubCgroups } from "./sub-cgroups.ts";
import { checkTerminal } from "./terminal-rules.ts";

export const EXEC_FLAGS: readonly Flag[] = [
  { names: ["console-socket"], kind: "text", help: "unix socket that gets the terminal's master" },
  { names: ["pidfd-socket"], kind: "text", refused: "use --pid-file" },
  { names: ["cwd"], kind: "text", help: "working directory in the container" },
  { names: ["env", "e"], kind: "list", help: "one more environment variable, NAME=VALUE" },
  { names: ["tty", "t"], kind: "switch", help: "with a terminal of its own" },
  { names: ["user", "u"], kind: "text", help: "UID[:GID]" },
  { names: ["additional-gids", "g"], kind: "list", help: "one more group" },
  { names: ["process", "p"], kind: "text", help: "take the process from this file, as in config.json" },
  { names: ["detach", "d"], kind: "switch", help: "return when the program runs" },
  { names: ["pid-file"], kind: "text", help: "write the process id there" },
  { names: ["process-label"], kind: "text", help: "SELinux label" },
  { names: ["apparmor"], kind: "text", help: "AppArmor profile" },
  { names: ["no-new-privs"], kind: "switch", help: "it cannot gain privileges" },
  { names: ["cap", "c"], kind: "list", help: "one more capability" },
  {
    names: ["preserve-fds"],
    kind: "integer",
    help: "hand on this many descriptors from 3 up, behind those of LISTEN_FDS",
  },
  { names: ["cgroup"], kind: "list", help: "[CONTROLLER:]PATH of an existing cgroup below the container's" },
  { names: ["ignore-paused"], kind: "switch", help: "even in a paused container; it waits there" },
  // Of no effect in runc since an exec has no orphans to reap.
  { names: ["no-subreaper"], kind: "switch" },
];

/** The caller becomes the C program. */
export function execInContainer(context: Context, flags: Flags, args: readonly string[]): number {
  const [id = "", ...words] = args;
  const container = loadContainer(context.root, id);
  const main = livingMain(container, flags.isOn("ignore-paused"));
  leaveLongDocument(context.caller, container.record.config);
  const spec = markHostNamespaces(recordedSpec(container));
  const listening = listenFds(context.environment, context.caller.pid);
  const wanted = withEnvironment(
    wantedProcess(context, flags, words, spec.process),
    listenEnvironment(listening),
  );
  const detach = flags.isOn("detach");
  checkTerminal(wanted.terminal ?? false, detach, flags.text("console-socket"));
  const plan = compileExec({
    process: wanted,
    spec,
    taskId: id,
    facts: readHostFacts("", context.caller.pid, context.caller.kernel),
    bundle: container.record.bundle,
    warn: (message) => context.log.warn(message),
    subCgroups: parseSubCgroups(flags.list("cgroup")),
  });
  const preserved = listening + (flags.integer("preserve-fds") ?? 0);
  if (preserved < 0) throw fail("invalid_argument", "--preserve-fds must not be negative");
  return becomePerformer(context, {
    verb: "exec",
    plan: encodePlan(plan),
    join: main,
    detach,
    preserved,
    pidFile: flags.text("pid-file"),
    consoleSocket: flags.text("console-socket"),
  });
}

function livingMain(container: Container, ignorePaused: boolean): ProcessIdentity {
  const { status } = conditionOf(container);
  if (status === "stopped") throw fail("conflict", "cannot exec in a stopped container");
  if (status === "creating") throw fail("conflict", "cannot exec in a container that is being created");
  if (status === "paused" && !ignorePaused)
    throw fail("conflict", "cannot exec in a paused container (use --ignore-paused to override)");
  const main = mainProcess(container);
  if (main === undefined) throw fail("conflict", "cannot exec in a stopped container");
  return main;
}

function wantedProcess(
  { workingDirectory, caller }: Context,
  flags: Flags,
  words: readonly string[],
  containers: Process | undefined,
): Process {
  const file = flags.text("process");
  if (file !== "") {
    if (words.length > 0) throw fail("invalid_argument", "a command and --process exclude each other");
    const path = resolve(workingDirectory, file);
    if (leadsToItsReader(path)) caller.ownProcess("a process document of its own");
    const text = readDocument(path);
    leaveLongDocument(caller, text);
    return decodeProcessDocument(text);
  }
  if (words.length === 0) throw fail("invalid_argument", "process args cannot be empty");
  if (containers === undefined) throw fail("invalid_argument", "the container's config.json has no process");
  return processFromFlags(containers, flags, words);
}

/** The container's own process with another command and what the flags change. */
export function processFromFlags(containers: Process, flags: Flags, words: readonly string[]): Process {
  // What is about the first process alone is not handed on.
  const { ioPriority: _ioPriority, scheduler: _scheduler, ...base } = containers;
  const text = (name: string, key: string): Record<string, string> =>
    flags.text(name) === "" ? {} : { [key]: flags.text(name) };
  return {
    ...base,
    args: words,
    env: [...(base.env ?? []), ...flags.list("env")],
    user: userFrom(base, flags),
    ...text("cwd", "cwd"),
    ...text("process-label", "selinuxLabel"),
    ...text("apparmor", "apparmorProfile"),
    ...(flags.has("tty") ? { terminal: flags.isOn("tty") } : {}),
    ...(flags.has("no-new-privs") ? { noNewPrivileges: flags.isOn("no-new-privs") } : {}),
    ...(flags.list("cap").length === 0
      ? {}
      : { capabilities: withCapabilities(base.capabilities ?? {}, flags.list("cap")) }),
  };
}

/** Not ambient: that would need it to be inheritable, too, which nobody asked for. */
function withCapabilities(has: Capabilities, more: readonly string[]): Capabilities {
  const added = (names: readonly string[] = []): string[] => [...new Set([...names, ...more])];
  return {
    ...has,
    bounding: added(has.bounding),
    effective: added(has.effective),
    permitted: added(has.permitted),
  };
}

function userFrom({ user }: Process, flags: Flags): Process["user"] {
  const [uid = "", gid] = flags.text("user").split(":", 2);
  const groups = flags.list("additional-gids").map((each) => idFrom(each, "gid"));
  return {
    ...user,
    ...(uid === "" && gid === undefined ? {} : { uid: idFrom(uid, "uid") }),
    ...(gid === undefined ? {} : { gid: idFrom(gid, "gid") }),
    ...(groups.length === 0 ? {} : { additionalGids: [...(user.additionalGids ?? []), ...groups] }),
  };
}

/** (uid_t) -1 means "leave as it is" to the kernel. */
const MAX_ID = 0xfffffffe;

function idFrom(text: string, what: string): number {
  if (!/^\d{1,10}$/.test(text) || Number(text) > MAX_ID)
    throw fail("invalid_argument", `parsing ${JSON.stringify(text)} as int for ${what} failed`);
  return Number(text);
}
