/**
 * What a seccomp profile means for each system call number of one architecture: names looked up, rules ordered, return
 * values computed. Where the OCI specification is silent the meaning is that of runc with libseccomp (read and observed;
 * docs/seccomp.md has the few differences):
 *
 * - a rule that answers what the default does is no rule;
 * - a rule without conditions decides its call, wherever it stands, and the first of several does;
 * - of conditional rules that fit, the more specific one wins (`specificity`), whatever their order;
 * - several conditions on one and the same argument are alternatives, not a conjunction;
 * - names unknown on an architecture are skipped there;
 * - calls newer than any that the profile mentions answer ENOSYS instead of the default: programs then try an older one;
 * - on x86 a rule for a socket or System V IPC call also covers its number of socketcall(2) or ipc(2). Those keep the
 *   arguments in memory, where no filter can look: of what conditional rules might answer they get the strictest.
 */
import { fail } from "../base/errors.ts";
import type {
  Seccomp,
  SeccompAction,
  SeccompArg,
  SeccompOperator,
  SeccompRule,
} from "../specs/oci-runtime/spec.ts";
import { type SyscallAbi, syscallRuns } from "./syscall-table.ts";

/** linux/seccomp.h */
export const SECCOMP_RET = {
  killProcess: 0x80000000,
  killThread: 0x00000000,
  trap: 0x00030000,
  errno: 0x00050000,
  notify: 0x7fc00000,
  trace: 0x7ff00000,
  log: 0x7ffc0000,
  allow: 0x7fff0000,
} as const;

const EPERM = 1;
const ENOSYS = 38;
/** The kernel's MAX_ERRNO. */
const MAX_ERRNO = 4095;
/** SECCOMP_RET_DATA */
const MAX_DATA = 0xffff;

/**
 * A comparison of one argument. Where programs have 32 bits so has the comparison: what a 64-bit program leaves in the
 * upper half of a register when it enters by the 32-bit way the filter sees, but the system call does not.
 */
export interface Condition {
  readonly index: number;
  /** Of MASKED_EQ: the mask. */
  readonly value: bigint;
  readonly valueTwo: bigint;
  readonly op: SeccompOperator;
  readonly bits: 32 | 64;
}

/** One way to get `ret`: all conditions hold. */
export interface Alternative {
  /** By argument index. */
  readonly conditions: readonly Condition[];
  readonly ret: number;
}

/** Tried in order; `otherwise` when none fits. A call without alternatives has a fixed answer. */
export interface Verdict {
  readonly alternatives: readonly Alternative[];
  readonly otherwise: number;
}

/** From `start` up to the next one's. */
export interface CallRange {
  readonly start: number;
  readonly verdict: Verdict;
}

/** Whether some rule hands calls over to a supervisor. */
export function notifies({ syscalls = [] }: Seccomp): boolean {
  return syscalls.some(({ action }) => action === "SCMP_ACT_NOTIFY");
}

/** What a profile says, by names. */
export interface ProfileRules {
  readonly byName: ReadonlyMap<string, readonly Alternative[]>;
  /** Of calls that it does not mention. */
  readonly fallback: number;
  /** Of calls newer than those that the profile mentions. */
  readonly unknown: number;
}

/**
 * Throws `invalid_argument` for rules that make no sense. A permissive default is what somebody wants who looks at every
 * call, new ones included.
 */
export function readRules(seccomp: Seccomp): ProfileRules {
  const fallback = returnValue(seccomp.defaultAction, seccomp.defaultErrnoRet);
  const isPermissive = ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"].includes(seccomp.defaultAction);
  const byName = new Map<string, readonly Alternative[]>();
  for (const rule of seccomp.syscalls ?? []) {
    const ways = alternatives(rule).filter(({ ret }) => ret !== fallback);
    for (const name of rule.names) {
      const known = byName.get(name);
      // Most names have one rule, which they share.
      byName.set(name, known === undefined ? ways : [...known, ...ways]);
    }
  }
  return { byName, fallback, unknown: isPermissive ? fallback : SECCOMP_RET.errno | ENOSYS };
}

/** What each number means, from 0; x32's without their bit. Calls of one name share their alternatives. */
export function rulesFor(profile: ProfileRules, abi: SyscallAbi): readonly CallRange[] {
  const { fallback, unknown } = profile;
  const bits = abi === "x86" || abi === "arm" ? 32 : 64;
  const ranges: CallRange[] = [];
  const push = (start: number, verdict: Verdict): void => {
    const before = ranges.at(-1);
    if (before === undefined || !isSameAnswer(before.verdict, verdict)) ranges.push({ start, verdict });
  };
  const { calls, last } = callsFor(profile, abi);
  let next = 0;
  for (const { number, ways } of calls) {
    if (number > next) push(next, always(fallback));
    push(number, verdict(ways, fallback, bits));
    next = number + 1;
  }
  if (last >= next) push(next, always(fallback));
  // runc's stub takes the number 0 for "nothing found", except where x32's bit makes it another one.
  const hasLimit = abi === "x32" ? last >= 0 : last > 0;
  push(Math.max(next, last + 1), always(hasLimit ? unknown : fallback));
  return ranges;
}

interface Call {
  readonly number: number;
  readonly ways: readonly Alternative[];
}

/**
 * Ascending. `last` is the highest number with a name in the profile, -1 = there is none. Plain loops: this runs once in a
 * process that lives for milliseconds, a thousand names before anything is compiled.
 */
function callsFor(profile: ProfileRules, abi: SyscallAbi): { readonly calls: Call[]; readonly last: number } {
  const calls: Call[] = [];
  let last = -1;
  for (const { first, names } of syscallRuns(abi))
    for (let i = 0; i < names.length; i++) {
      const name = names[i] ?? "";
      let ways = profile.byName.get(name);
      if (ways !== undefined) last = first + i;
      if (abi === "x86" && (name === "socketcall" || name === "ipc"))
        ways = [...multiplexed(profile, name), ...(ways ?? [])];
      // ARM has two names for one number.
      if (i === 0 && calls.at(-1)?.number === first) ways = [...(calls.pop()?.ways ?? []), ...(ways ?? [])];
      if (ways !== undefined && ways.length > 0) calls.push({ number: first + i, ways });
    }
  return { calls, last };
}

function always(ret: number): Verdict {
  return { alternatives: [], otherwise: ret };
}

function isSameAnswer(a: Verdict, b: Verdict): boolean {
  return a.alternatives.length === 0 && b.alternatives.length === 0 && a.otherwise === b.otherwise;
}

function isUnconditional({ conditions }: Alternative): boolean {
  return conditions.length === 0;
}

function verdict(ways: readonly Alternative[], fallback: number, bits: 32 | 64): Verdict {
  const [first] = ways;
  if (first !== undefined && isUnconditional(first)) return always(first.ret);
  const seen = bits === 64 ? ways : ways.map(narrowed);
  const fixed = seen.find(isUnconditional);
  if (fixed !== undefined) return always(fixed.ret);
  return { alternatives: inOrder(seen), otherwise: fallback };
}

function narrowed({ conditions, ret }: Alternative): Alternative {
  const narrow = conditions.map(({ index, op, value, valueTwo }): Condition => {
    const bits = 32;
    return { index, op, bits, value: BigInt.asUintN(bits, value), valueTwo: BigInt.asUintN(bits, valueTwo) };
  });
  return { conditions: narrow.filter(canFail), ret };
}

/** The kernel's own order when several filters disagree: as a signed number, the smaller one wins. */
function permissiveness(ret: number): number {
  return (ret & 0xffff0000) | 0;
}

// ---- order ----

/**
 * Sorted so that the first that fits decides. Throws for two with the same conditions and different answers, as
 * libseccomp does.
 */
function inOrder(ways: readonly Alternative[]): readonly Alternative[] {
  if (ways.every(({ ret }) => ret === ways[0]?.ret)) return ways;
  const keyed = ways.map((way) => ({ way, key: way.conditions.flatMap(specificity) }));
  keyed.sort((a, b) => compareKeys(a.key, b.key));
  for (let i = 1; i < keyed.length; i++) {
    const [before, here] = [keyed[i - 1], keyed[i]];
    if (before === undefined || here === undefined || before.way.ret === here.way.ret) continue;
    if (compareKeys(before.key, here.key) === 0 && isSame(before.way, here.way))
      throw fail("invalid_argument", "seccomp: two rules answer differently under the same conditions");
  }
  return keyed.map(({ way }) => way);
}

/**
 * libseccomp's order of the nodes in its tree (`_db_chain_lt` in its db.c), as numbers of which the smaller comes first: a
 * later argument, then equality before upper bounds before lower bounds, then larger values, but smaller upper bounds.
 * A bound that is nearer is so tried before one that is further away.
 */
function specificity({ index, op, value, valueTwo }: Condition): bigint[] {
  const isUpper = op === "SCMP_CMP_LT" || op === "SCMP_CMP_LE";
  const isLower = op === "SCMP_CMP_GT" || op === "SCMP_CMP_GE";
  const wanted = op === "SCMP_CMP_MASKED_EQ" ? value & valueTwo : value;
  const rank = isUpper ? 1n : isLower ? 2n : 0n;
  return [-BigInt(index), rank, isUpper ? wanted : -wanted];
}

function compareKeys(a: readonly bigint[], b: readonly bigint[]): number {
  for (const [i, key] of a.entries()) {
    const other = b[i];
    if (other === undefined) return 1;
    if (key !== other) return key < other ? -1 : 1;
  }
  return a.length - b.length;
}

function isSame(a: Alternative, b: Alternative): boolean {
  const fields = ({ conditions }: Alternative): string =>
    conditions.map(({ index, op, value, valueTwo }) => `${index} ${op} ${value} ${valueTwo & value}`).join();
  return fields(a) === fields(b);
}

// ---- one rule ----

function alternatives(rule: SeccompRule): Alternative[] {
  const ret = returnValue(rule.action, rule.errnoRet);
  const conditions = (rule.args ?? []).map(conditionOf);
  const indexes = conditions.map(({ index }) => index);
  if (new Set(indexes).size === indexes.length) {
    const real = conditions.filter(canFail).toSorted((a, b) => a.index - b.index);
    return [{ conditions: real, ret }];
  }
  return conditions.map((condition) => ({ conditions: [condition].filter(canFail), ret }));
}

/** A mask of nothing always fits. */
function canFail({ op, value }: Condition): boolean {
  return op !== "SCMP_CMP_MASKED_EQ" || value !== 0n;
}

const OPERATORS: ReadonlySet<string> = new Set<SeccompOperator>([
  "SCMP_CMP_NE",
  "SCMP_CMP_LT",
  "SCMP_CMP_LE",
  "SCMP_CMP_EQ",
  "SCMP_CMP_GE",
  "SCMP_CMP_GT",
  "SCMP_CMP_MASKED_EQ",
]);

function conditionOf({ index, value, valueTwo = 0n, op }: SeccompArg): Condition {
  if (!OPERATORS.has(op)) throw fail("invalid_argument", `seccomp: unknown operator "${op}"`);
  if (!Number.isInteger(index) || index < 0 || index > 5)
    throw fail("invalid_argument", `seccomp: there is no system call argument ${index}`);
  for (const number of [value, valueTwo])
    if (number < 0n || number >= 1n << 64n)
      throw fail("invalid_argument", `seccomp: argument value ${number} does not fit 64 bits`);
  return { index, value, valueTwo, op, bits: 64 };
}

function returnValue(action: SeccompAction, errnoRet: number | undefined): number {
  switch (action) {
    case "SCMP_ACT_KILL":
    case "SCMP_ACT_KILL_THREAD":
      return SECCOMP_RET.killThread;
    case "SCMP_ACT_KILL_PROCESS":
      return SECCOMP_RET.killProcess;
    case "SCMP_ACT_TRAP":
      return SECCOMP_RET.trap;
    case "SCMP_ACT_ERRNO":
      return SECCOMP_RET.errno | returnData(errnoRet, MAX_ERRNO);
    case "SCMP_ACT_TRACE":
      return SECCOMP_RET.trace | returnData(errnoRet, MAX_DATA);
    case "SCMP_ACT_ALLOW":
      return SECCOMP_RET.allow;
    case "SCMP_ACT_LOG":
      return SECCOMP_RET.log;
    case "SCMP_ACT_NOTIFY":
      return SECCOMP_RET.notify;
    default:
      // A filter must not come out of a word that nobody understands (CVE-2023-2431 was one that fell open).
      throw fail("invalid_argument", `seccomp: unknown action ${JSON.stringify(action satisfies never)}`);
  }
}

function returnData(errnoRet: number = EPERM, limit: number): number {
  if (!Number.isInteger(errnoRet) || errnoRet < 0 || errnoRet > limit)
    throw fail("invalid_argument", `seccomp: errnoRet ${errnoRet} is not between 0 and ${limit}`);
  return errnoRet;
}

// ---- multiplexers ----

/** socketcall(2): each call's number is its place here, from 1. linux/net.h */
const SOCKETCALLS = [
  "socket bind connect listen accept getsockname getpeername socketpair send recv",
  "sendto recvfrom shutdown setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg",
].flatMap((line) => line.split(" "));

/** ipc(2), linux/ipc.h */
const IPC_CALLS: ReadonlyMap<string, number> = new Map([
  ["semop", 1],
  ["semget", 2],
  ["semctl", 3],
  ["semtimedop", 4],
  ["msgsnd", 11],
  ["msgrcv", 12],
  ["msgget", 13],
  ["msgctl", 14],
  ["shmat", 21],
  ["shmdt", 22],
  ["shmget", 23],
  ["shmctl", 24],
]);

/** What the profile says of the calls that `name` stands for. */
function multiplexed({ byName, fallback }: ProfileRules, name: "socketcall" | "ipc"): Alternative[] {
  const inside: Iterable<readonly [string, number]> =
    name === "ipc" ? IPC_CALLS : SOCKETCALLS.map((call, i) => [call, i + 1] as const);
  return [...inside].flatMap(([call, number]) => {
    const ways = byName.get(call) ?? [];
    const ret = ways.find((way) => isUnconditional(narrowed(way)))?.ret ?? strictest(ways, fallback);
    return ret === fallback ? [] : [{ conditions: [isCall(number)], ret }];
  });
}

function strictest(ways: readonly Alternative[], fallback: number): number {
  return ways.reduce(
    (strict, { ret }) => (permissiveness(ret) < permissiveness(strict) ? ret : strict),
    fallback,
  );
}

/** The first argument says which call is meant. */
function isCall(number: number): Condition {
  return { index: 0, value: BigInt(number), valueTwo: 0n, op: "SCMP_CMP_EQ", bits: 32 };
}
