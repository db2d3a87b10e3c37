/** The process of config.json; of an exec, the whole document. */
import { asInt, type Fields } from "../engine/fields.decode.ts";
import {
  boolean,
  child,
  children,
  defined,
  id,
  integerIn,
  oneOf,
  refuse,
  required,
  requiredText,
  strings,
  text,
  u64,
} from "./decode-fields.ts";
import { invalid } from "./refusal.ts";
import type {
  Capabilities,
  CpuAffinity,
  IdentityName,
  IoClass,
  IoPriority,
  Process,
  Scheduler,
  SchedulerPolicy,
  SpecUser,
} from "./spec.ts";

export function decodeProcess(fields: Fields): Process {
  refuse(fields, ["commandLine"]);
  return defined({
    terminal: boolean(fields, "terminal"),
    consoleSize: child(fields, "consoleSize", decodeConsoleSize),
    user: child(fields, "user", decodeUser) ?? { uid: 0, gid: 0 },
    args: strings(fields, "args") ?? [],
    env: strings(fields, "env"),
    cwd: text(fields, "cwd") ?? "",
    capabilities: child(fields, "capabilities", decodeCapabilities),
    rlimits: children(fields, "rlimits", decodeRlimit),
    noNewPrivileges: boolean(fields, "noNewPrivileges"),
    apparmorProfile: text(fields, "apparmorProfile"),
    selinuxLabel: text(fields, "selinuxLabel"),
    oomScoreAdj: integerIn(fields, "oomScoreAdj", -1000, 1000),
    scheduler: child(fields, "scheduler", decodeScheduler),
    ioPriority: child(fields, "ioPriority", decodeIoPriority),
    execCPUAffinity: child(fields, "execCPUAffinity", decodeAffinity),
  });
}

/** struct winsize has 16 bits for each. */
function decodeConsoleSize(fields: Fields): { height: number; width: number } {
  const side = (key: string): number => required(fields, key, integerIn(fields, key, 0, 0xffff));
  return { height: side("height"), width: side("width") };
}

type Rlimit = NonNullable<Process["rlimits"]>[number];

function decodeRlimit(fields: Fields): Rlimit {
  const limit = (key: string): bigint => required(fields, key, u64(fields, key));
  return { type: requiredText(fields, "type"), hard: limit("hard"), soft: limit("soft") };
}

function decodeUser(fields: Fields): SpecUser {
  refuse(fields, ["username"]);
  return defined({
    uid: id(fields, "uid") ?? 0,
    gid: id(fields, "gid") ?? 0,
    umask: integerIn(fields, "umask", 0, 0o777),
    additionalGids: fields.list("additionalGids", decodeGroup) ?? undefined,
    gantryLookup: child(fields, "gantryLookup", (lookup) => ({
      user: child(lookup, "user", decodeIdentity) ?? { kind: "none" as const },
      group: child(lookup, "group", decodeIdentity) ?? { kind: "none" as const },
      additionalGroups: strings(lookup, "additionalGroups") ?? [],
    })),
  });
}

function decodeGroup(value: unknown, path: string): number {
  const group = asInt(value, path);
  if (group < 0 || group > 0xfffffffe) throw invalid(path, `${group} is not between 0 and 4294967294`);
  return group;
}

function decodeIdentity(fields: Fields): IdentityName {
  const kind = oneOf(fields, "kind", ["none", "number", "name"]);
  if (kind === "none") return { kind };
  return kind === "number"
    ? { kind, id: required(fields, "id", id(fields, "id")) }
    : { kind, name: requiredText(fields, "name") };
}

function decodeCapabilities(fields: Fields): Capabilities {
  return defined({
    bounding: strings(fields, "bounding"),
    effective: strings(fields, "effective"),
    inheritable: strings(fields, "inheritable"),
    permitted: strings(fields, "permitted"),
    ambient: strings(fields, "ambient"),
  });
}

// ---- scheduling ----

const POLICIES: readonly SchedulerPolicy[] = [
  "SCHED_OTHER",
  "SCHED_FIFO",
  "SCHED_RR",
  "SCHED_BATCH",
  "SCHED_ISO",
  "SCHED_IDLE",
  "SCHED_DEADLINE",
];

function decodeScheduler(fields: Fields): Scheduler {
  return defined({
    policy: oneOf(fields, "policy", POLICIES),
    nice: integerIn(fields, "nice", -20, 19),
    priority: integerIn(fields, "priority", 0, 99),
    flags: strings(fields, "flags"),
    runtime: u64(fields, "runtime"),
    deadline: u64(fields, "deadline"),
    period: u64(fields, "period"),
  });
}

const IO_CLASSES: readonly IoClass[] = ["IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"];

function decodeIoPriority(fields: Fields): IoPriority {
  return {
    class: oneOf(fields, "class", IO_CLASSES),
    priority: required(fields, "priority", integerIn(fields, "priority", 0, 7)),
  };
}

function decodeAffinity(fields: Fields): CpuAffinity {
  return defined({ initial: text(fields, "initial"), final: text(fields, "final") });
}
