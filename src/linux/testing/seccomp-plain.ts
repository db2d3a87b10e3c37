/** The meaning of a profile, written as plainly as possible: what compiled filters are held against. */
import type { Seccomp, SeccompAction, SeccompArg, SeccompRule } from "../../specs/oci-runtime/spec.ts";
import { type SyscallAbi, syscallTable } from "../syscall-table.ts";

const RETURNS: Readonly<Record<string, number>> = {
  SCMP_ACT_KILL: 0,
  SCMP_ACT_KILL_THREAD: 0,
  SCMP_ACT_KILL_PROCESS: 0x80000000,
  SCMP_ACT_TRAP: 0x30000,
  SCMP_ACT_NOTIFY: 0x7fc00000,
  SCMP_ACT_ALLOW: 0x7fff0000,
  SCMP_ACT_LOG: 0x7ffc0000,
};

/** Of rules that fit with different answers the strictest counts: true for the filter where that is the specific one. */
export function evaluate(profile: Seccomp, abi: SyscallAbi, number: number, args: readonly bigint[]): number {
  const table = syscallTable(abi);
  const fallback = answer(profile.defaultAction, profile.defaultErrnoRet);
  const all = profile.syscalls ?? [];
  const mentioned = all.flatMap(({ names }) => names.flatMap((name) => table.get(name) ?? []));
  const mine = all
    .filter(({ names }) => names.some((name) => table.get(name) === number))
    .filter(({ action, errnoRet }) => answer(action, errnoRet) !== fallback);
  const fixed = mine.find(({ args: conditions = [] }) => conditions.length === 0);
  if (fixed !== undefined) return answer(fixed.action, fixed.errnoRet);
  const is32 = abi === "x86" || abi === "arm";
  const seen = is32 ? args.map((arg) => BigInt.asUintN(32, arg)) : args;
  const fitting = mine
    .filter((rule) => fits(is32 ? { ...rule, args: (rule.args ?? []).map(narrow) } : rule, seen))
    .map((rule) => answer(rule.action, rule.errnoRet));
  if (fitting.length > 0) return fitting.reduce((a, b) => ((b | 0) >> 16 < (a | 0) >> 16 ? b : a));
  const isPermissive = /ALLOW|LOG|TRACE/.test(profile.defaultAction);
  const last = Math.max(-1, ...mentioned);
  if (!isPermissive && number > last && (last > 0 || (abi === "x32" && last === 0))) return 0x50026;
  return fallback;
}

function answer(action: SeccompAction, data = 1): number {
  if (action === "SCMP_ACT_ERRNO") return 0x50000 | data;
  if (action === "SCMP_ACT_TRACE") return 0x7ff00000 | data;
  return RETURNS[action] ?? Number.NaN;
}

function fits({ args: conditions = [] }: SeccompRule, args: readonly bigint[]): boolean {
  const results = conditions.map((condition) => holds(condition, args[condition.index] ?? 0n));
  const isRepeated = new Set(conditions.map(({ index }) => index)).size < conditions.length;
  return isRepeated ? results.some(Boolean) : results.every(Boolean);
}

/** A 32-bit call does not see more than 32 bits of an argument. */
function narrow({ index, op, value, valueTwo = 0n }: SeccompArg): SeccompArg {
  return { index, op, value: BigInt.asUintN(32, value), valueTwo: BigInt.asUintN(32, valueTwo) };
}

function holds({ op, value, valueTwo = 0n }: SeccompArg, arg: bigint): boolean {
  switch (op) {
    case "SCMP_CMP_EQ":
      return arg === value;
    case "SCMP_CMP_NE":
      return arg !== value;
    case "SCMP_CMP_LT":
      return arg < value;
    case "SCMP_CMP_LE":
      return arg <= value;
    case "SCMP_CMP_GT":
      return arg > value;
    case "SCMP_CMP_GE":
      return arg >= value;
    case "SCMP_CMP_MASKED_EQ":
      return (arg & value) === (valueTwo & value);
  }
}
