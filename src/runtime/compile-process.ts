/** The process's own part of a plan: terminal, labels, limits, working directory, user, capabilities, exec. */
import { capabilityMask, isCapability } from "../linux/capabilities.ts";
import type { HostFacts } from "../linux/host-facts.ts";
import { rlimitNumber } from "../linux/rlimits.ts";
import { ioprioValue, schedAttr } from "../linux/scheduling.ts";
import { at, checkAbsolute, invalid, quoted } from "../specs/oci-runtime/refusal.ts";
import type { Linux, Process, SpecUser } from "../specs/oci-runtime/spec.ts";
import { type HooksOp, type IdentityOp, LABEL_MODULE, type PlanOp, type SeccompOp } from "./plan.ts";

const DEFAULT_UMASK = 0o022;

export function consoleStep(process: Process): PlanOp {
  const { gantryLookup, uid } = process.user;
  const known = gantryLookup?.user.kind === "number" ? gantryLookup.user.id : 0;
  return {
    kind: "console",
    rows: process.consoleSize?.height ?? 0,
    cols: process.consoleSize?.width ?? 0,
    // The owner of a user that is only a name is set when init has looked it up.
    uid: gantryLookup === undefined ? uid : known,
  };
}

export interface ResourceOptions {
  readonly process: Process;
  readonly personality: Linux["personality"];
  readonly taskId: string;
  readonly facts: HostFacts;
  /** Of a container's first process: it may be made. */
  readonly createCwd: boolean;
}

/**
 * Everything that wants the full capabilities init still has. Labels come first: SELinux's is to be the keyring's, too,
 * and no_new_privs, a filter or the container's own user could keep it from being written.
 */
export function resourceSteps({ process, personality, taskId, facts, createCwd }: ResourceOptions): PlanOp[] {
  return [
    ...labelSteps(process, facts),
    ...rlimitSteps(process),
    ...(process.oomScoreAdj === undefined
      ? []
      : [{ kind: "oom-score-adj", mayMiss: false, value: checkOomScore(process.oomScoreAdj) } as const]),
    { kind: "umask", mask: process.user.umask ?? DEFAULT_UMASK },
    ...schedulingSteps(process),
    ...(personality === undefined
      ? []
      : [{ kind: "personality", persona: PERSONAS[personality.domain] } as const]),
    // runc's name, so that keys outlive an exec and are gone with the container.
    { kind: "keyring", name: `_ses.${taskId}` },
    // Before the user is set: a working directory that only root may enter works with Docker.
    { kind: "cwd", create: createCwd, path: checkAbsolute(process.cwd, "process.cwd") },
  ];
}

/** personality(2), linux/personality.h */
const PERSONAS = { LINUX: 0, LINUX32: 8 } as const;

function labelSteps({ apparmorProfile = "", selinuxLabel = "" }: Process, facts: HostFacts): PlanOp[] {
  const ops: PlanOp[] = [];
  if (selinuxLabel !== "") {
    if (!facts.selinux)
      throw invalid("process.selinuxLabel", "is given, but SELinux is disabled or not supported");
    ops.push({ kind: "label", module: LABEL_MODULE.selinux, label: selinuxLabel });
  }
  if (apparmorProfile !== "") {
    if (!facts.apparmor)
      throw invalid("process.apparmorProfile", "is given, but AppArmor is disabled or not supported");
    ops.push({ kind: "label", module: LABEL_MODULE.apparmor, label: apparmorProfile });
  }
  return ops;
}

function rlimitSteps({ rlimits = [] }: Process): PlanOp[] {
  const seen = new Set<number>();
  return rlimits.map(({ type, soft, hard }, index): PlanOp => {
    const path = `process.rlimits[${index}]`;
    const resource = at(`${path}.type`, () => rlimitNumber(type));
    if (seen.has(resource))
      throw invalid(path, `is wrong: the resource limit ${quoted(type)} is listed twice`);
    seen.add(resource);
    if (soft > hard) throw invalid(path, `(${type}) has a soft limit above the hard limit`);
    return { kind: "rlimit", resource, soft, hard };
  });
}

function schedulingSteps({ scheduler, ioPriority }: Process): PlanOp[] {
  const ops: PlanOp[] = [];
  if (scheduler !== undefined)
    ops.push({ kind: "scheduler", ...at("process.scheduler", () => schedAttr(scheduler)) });
  if (ioPriority !== undefined) ops.push({ kind: "io-priority", ioprio: ioprioValue(ioPriority) });
  return ops;
}

function checkOomScore(value: number): number {
  if (!Number.isInteger(value) || value < -1000 || value > 1000)
    throw invalid("process.oomScoreAdj", `${value} is not between -1000 and 1000`);
  return value;
}

export interface IdentityOptions {
  readonly process: Process;
  readonly seccomp: readonly SeccompOp[];
  readonly facts: HostFacts;
  /** startContainer */
  readonly hooks: readonly HooksOp[];
  readonly init: boolean;
  readonly warn: ((message: string) => void) | undefined;
}

/**
 * Gives up privileges and executes. A filter may be loaded with no_new_privs, or by who has CAP_SYS_ADMIN: without the
 * former it must come before the capabilities are dropped, with it as late as possible, so that it need not allow what
 * the steps before it do. Hooks that come from the container's own files have no more rights than its program: they run
 * behind all this, as with runc. The reaper comes last of all: PID 1 then has no more rights than the program it guards.
 */
export function identitySteps({ process, seccomp, facts, hooks, init, warn }: IdentityOptions): PlanOp[] {
  const wanted = process.capabilities ?? {};
  const mask = (set: keyof typeof wanted): bigint => knownMask(wanted[set] ?? [], set, facts, warn);
  const bounding: PlanOp = { kind: "bounding", keepMask: mask("bounding") };
  const permitted = mask("permitted");
  const inheritable = mask("inheritable");
  const caps: PlanOp = {
    kind: "caps",
    permitted,
    effective: mask("effective"),
    inheritable,
    // What is not in both the kernel refuses to raise, and runc leaves it at that: its own `spec` lists such.
    ambient: mask("ambient") & permitted & inheritable,
  };
  return [
    bounding,
    identityStep(process.user),
    ...(process.noNewPrivileges === true
      ? [caps, { kind: "no-new-privs" } as const, ...seccomp]
      : [...seccomp, caps]),
    ...hooks,
    ...(init ? [{ kind: "reaper" } as const] : []),
    execStep(process),
  ];
}

/**
 * What this kernel does not know, or this process does not have, nobody can be given: left out, as runc does. A name
 * that this runtime does not know either is a warning to who asked for warnings, else an error.
 */
function knownMask(
  names: readonly string[],
  set: string,
  facts: HostFacts,
  warn: IdentityOptions["warn"],
): bigint {
  const path = `process.capabilities.${set}`;
  if (warn === undefined) return at(path, () => capabilityMask(names)) & facts.capabilities;
  for (const name of names)
    if (!isCapability(name)) warn(`config.json: ${path}: ignoring the unknown capability ${quoted(name)}`);
  return capabilityMask(names.filter(isCapability)) & facts.capabilities;
}

/** The look-up is done where the step is performed. */
export function identityStep(user: SpecUser): IdentityOp {
  const lookup = user.gantryLookup;
  if (lookup === undefined)
    return {
      kind: "identity",
      userKind: "number",
      uid: user.uid,
      user: "",
      groupKind: "number",
      gid: user.gid,
      group: "",
      addGroups: (user.additionalGids ?? []).map(String),
      wantHome: true,
    };
  return {
    kind: "identity",
    userKind: lookup.user.kind,
    uid: lookup.user.kind === "number" ? lookup.user.id : 0,
    user: lookup.user.kind === "name" ? lookup.user.name : "",
    groupKind: lookup.group.kind,
    gid: lookup.group.kind === "number" ? lookup.group.id : 0,
    group: lookup.group.kind === "name" ? lookup.group.name : "",
    addGroups: lookup.additionalGroups,
    wantHome: true,
  };
}

const PROCESS = "process";

function execStep({ args, env = [] }: Process): PlanOp {
  for (const [index, entry] of env.entries())
    if (entry.indexOf("=") < 1)
      throw invalid(`${PROCESS}.env[${index}]`, `${quoted(entry)} has no name and "="`);
  const path = env.findLast((entry) => entry.startsWith("PATH="));
  return {
    kind: "exec",
    argv: args,
    env: lastOfEach(env),
    searchPath: path === undefined ? "" : path.slice(5),
  };
}

/** getenv(3) finds the first of several, who appends to a list means the last: it alone is kept, as with runc. */
function lastOfEach(env: readonly string[]): readonly string[] {
  const byName = new Map<string, string>();
  for (const entry of env) byName.set(entry.slice(0, entry.indexOf("=")), entry);
  return byName.size === env.length ? env : [...byName.values()];
}
