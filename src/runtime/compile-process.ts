/** The process's own part of a plan: terminal, limits, working directory, user, capabilities, seccomp, exec. */
import { fail } from "../base/errors.ts";
import { capabilityMask } from "../linux/capabilities.ts";
import type { HostFacts } from "../linux/host-facts.ts";
import { rlimitNumber } from "../linux/rlimits.ts";
import { compileSeccomp } from "../linux/seccomp-compile.ts";
import type { Process, Seccomp, SpecUser } from "../specs/oci-runtime/spec.ts";
import type { IdentityOp, PlanOp } from "./plan.ts";

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

/** Everything that wants the full capabilities init still has. */
export function resourceSteps(
  process: Process,
  taskId: string,
  how: { readonly createCwd: boolean },
): PlanOp[] {
  const ops: PlanOp[] = [];
  for (const { type, soft, hard } of process.rlimits ?? []) {
    if (soft > hard)
      throw fail("invalid_argument", `resource limit "${type}": soft limit above the hard limit`);
    ops.push({ kind: "rlimit", resource: rlimitNumber(type), soft, hard });
  }
  if (process.oomScoreAdj !== undefined)
    ops.push({ kind: "oom-score-adj", mayMiss: false, value: checkOomScore(process.oomScoreAdj) });
  ops.push({ kind: "umask", mask: process.user.umask ?? DEFAULT_UMASK });
  // runc's name, so that keys outlive an exec and are gone with the container.
  ops.push({ kind: "keyring", name: `_ses.${taskId}` });
  // Before the user is set: a working directory that only root may enter works with Docker.
  ops.push({ kind: "cwd", create: how.createCwd, path: checkCwd(process.cwd) });
  return ops;
}

function checkOomScore(value: number): number {
  if (!Number.isInteger(value) || value < -1000 || value > 1000)
    throw fail("invalid_argument", `oom score adjustment ${value} is not between -1000 and 1000`);
  return value;
}

function checkCwd(cwd: string): string {
  if (!cwd.startsWith("/")) throw fail("invalid_argument", `working directory "${cwd}" is not absolute`);
  return cwd;
}

export interface IdentityOptions {
  readonly process: Process;
  readonly seccomp: Seccomp | undefined;
  readonly facts: HostFacts;
  readonly init: boolean;
}

/**
 * Gives up privileges and executes. A filter may be loaded with no_new_privs, or by who has CAP_SYS_ADMIN: without the
 * former it must come before the capabilities are dropped, with it as late as possible, so that it need not allow what
 * the steps before it do. The reaper comes last of all: PID 1 then has no more rights than the program it guards.
 */
export function identitySteps({ process, seccomp, facts, init }: IdentityOptions): PlanOp[] {
  // What this kernel does not know, or this process does not have, nobody can be given: left out, as runc does.
  const mask = (names: readonly string[] | undefined): bigint =>
    capabilityMask(names ?? []) & facts.capabilities;
  const wanted = process.capabilities ?? {};
  const caps: PlanOp = {
    kind: "caps",
    permitted: mask(wanted.permitted),
    effective: mask(wanted.effective),
    inheritable: mask(wanted.inheritable),
    ambient: mask(wanted.ambient),
  };
  const filter = seccomp === undefined ? [] : [seccompStep(seccomp, facts)];
  return [
    { kind: "bounding", keepMask: mask(wanted.bounding) },
    identityStep(process.user),
    ...(process.noNewPrivileges === true
      ? [caps, { kind: "no-new-privs" } as const, ...filter]
      : [...filter, caps]),
    ...(init ? [{ kind: "reaper" } as const] : []),
    execStep(process),
  ];
}

function seccompStep(seccomp: Seccomp, facts: HostFacts): PlanOp {
  if (!facts.seccomp) throw fail("invalid_argument", "seccomp is not available on this kernel");
  return { kind: "seccomp", ...compileSeccomp(seccomp, facts.architecture), listener: "", stateParts: [] };
}

function identityStep(user: SpecUser): IdentityOp {
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

function execStep({ args, env = [] }: Process): PlanOp {
  const path = env.findLast((entry) => entry.startsWith("PATH="));
  return { kind: "exec", argv: args, env, searchPath: path === undefined ? "" : path.slice(5) };
}
