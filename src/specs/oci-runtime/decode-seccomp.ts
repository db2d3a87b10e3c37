/** The seccomp part of config.json. */
import type { Fields } from "../engine/fields.decode.ts";
import { children, defined, integerIn, oneOf, required, strings, text, u64 } from "./decode-fields.ts";
import type { Seccomp, SeccompAction, SeccompArg, SeccompOperator, SeccompRule } from "./spec.ts";

const ACTIONS: readonly SeccompAction[] = [
  "SCMP_ACT_KILL",
  "SCMP_ACT_KILL_PROCESS",
  "SCMP_ACT_KILL_THREAD",
  "SCMP_ACT_TRAP",
  "SCMP_ACT_ERRNO",
  "SCMP_ACT_TRACE",
  "SCMP_ACT_ALLOW",
  "SCMP_ACT_LOG",
  "SCMP_ACT_NOTIFY",
];

const OPERATORS: readonly SeccompOperator[] = [
  "SCMP_CMP_NE",
  "SCMP_CMP_LT",
  "SCMP_CMP_LE",
  "SCMP_CMP_EQ",
  "SCMP_CMP_GE",
  "SCMP_CMP_GT",
  "SCMP_CMP_MASKED_EQ",
];

/** SECCOMP_RET_DATA has 16 bits; what of them an action can use is the compiler's matter. */
const MAX_DATA = 0xffff;

/** Also the part of Docker's own profile format that is the same. */
export function decodeSeccomp(fields: Fields): Seccomp {
  return defined({
    defaultAction: oneOf(fields, "defaultAction", ACTIONS),
    defaultErrnoRet: integerIn(fields, "defaultErrnoRet", 0, MAX_DATA),
    architectures: strings(fields, "architectures"),
    flags: strings(fields, "flags"),
    listenerPath: text(fields, "listenerPath"),
    listenerMetadata: text(fields, "listenerMetadata"),
    syscalls: children(fields, "syscalls", decodeSeccompRule),
  });
}

export function decodeSeccompRule(fields: Fields): SeccompRule {
  return defined({
    names: strings(fields, "names") ?? [],
    action: oneOf(fields, "action", ACTIONS),
    errnoRet: integerIn(fields, "errnoRet", 0, MAX_DATA),
    args: children(fields, "args", decodeSeccompArg),
  });
}

function decodeSeccompArg(fields: Fields): SeccompArg {
  return defined({
    index: required(fields, "index", integerIn(fields, "index", 0, 5)),
    value: u64(fields, "value") ?? 0n,
    valueTwo: u64(fields, "valueTwo"),
    op: oneOf(fields, "op", OPERATORS),
  });
}
