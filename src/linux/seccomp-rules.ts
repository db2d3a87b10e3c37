/**
 * What a seccomp profile means for each system call number of one architecture: names looked up, rules ordered, return
 * values computed. Where the OCI specification is silent the meaning is that of runc with libseccomp, as observed:
 *
 * - a rule without conditions decides its call, wherever it stands, and the first of several does;
 * - of conditional rules that fit, the strictest action wins (libseccomp: the most specific, else an error);
 * - several conditions on one and the same argument are alternatives, not a conjunction;
 * - names unknown on an architecture are skipped there;
 * - calls newer than any that the profile mentions answer ENOSYS instead of the default: programs then try an older one;
 * - on x86 a rule for a socket or System V IPC call also covers its number of socketcall(2) or ipc(2), but only one
 *   without conditions: those multiplexers keep the arguments in memory, where no filter can look.
 */
import { fail } from "../base/errors.ts";
import type {
  Seccomp,
  SeccompAction,
  SeccompArg,
  SeccompOperator,
  SeccompRule,
} from "../specs/oci-runtime/spec.ts";
import { type SyscallAbi, syscallTable } from "./syscall-table.ts";

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

/**
 * A comparison of one argument. Where programs have 32 bits so has the comparison: what a 64-bit program leaves in the
 * upper half of a register when it enters by the 32-bit way the filter sees, but the system call does not.
 */
export interface Condition {
  readonly index: number;
  readonly value: bigint;
  readonly valueTwo: bigint;
  readonly op: SeccompOperator;
  readonly bits: 32 | 64;
}

/** One way to get `ret`: all conditions hold. */
export interface Alternative {
  readonly conditions: readonly Condition[];
  readonly ret: number;
}

/** Tried in order; `otherwise` when none fits. A call without alternatives has a fixed answer. */
export interface Verdict {
  readonly alternatives: readonly Alternative[];
  readonly otherwise: number;
}

export interface AbiRules {
  readonly calls: ReadonlyMap<number, Verdict>;
  /** Of calls in the known range that the profile does not mention. */
  readonly fallback: number;
  /** Numbers above this one get `beyondLast`. */
  readonly last: number;
  readonly beyondLast: number;
}

/** Throws `invalid_argument` for a rule that makes no sense. */
export function rulesFor(seccomp: Seccomp, abi: SyscallAbi): AbiRules {
  const table = syscallTable(abi);
  const bits = abi === "x86" || abi === "arm" ? 32 : 64;
  const fallback = returnValue(seccomp.defaultAction, seccomp.defaultErrnoRet);
  if (fallback === SECCOMP_RET.notify)
    throw fail("invalid_argument", "seccomp: SCMP_ACT_NOTIFY cannot be the default action");
  const byNumber = new Map<number, Alternative[]>();
  let last = -1;
  for (const rule of seccomp.syscalls ?? []) {
    const ret = returnValue(rule.action, rule.errnoRet);
    const ways = alternatives(rule, ret, bits);
    for (const name of rule.names) {
      const number = table.get(name);
      if (number !== undefined) {
        add(byNumber, number, ways);
        last = Math.max(last, number);
      }
      const inside = abi === "x86" && ways.some(isUnconditional) ? multiplexed(name) : undefined;
      const outer = inside === undefined ? undefined : table.get(inside.call);
      if (inside !== undefined && outer !== undefined)
        add(byNumber, outer, [{ conditions: [isCall(inside.number)], ret }]);
    }
  }
  const calls = new Map([...byNumber].map(([number, ways]) => [number, verdict(ways, fallback)]));
  const isPermissive = ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"].includes(seccomp.defaultAction);
  return {
    calls,
    fallback,
    last,
    beyondLast: isPermissive || last < 0 ? fallback : SECCOMP_RET.errno | ENOSYS,
  };
}

function add(byNumber: Map<number, Alternative[]>, number: number, ways: readonly Alternative[]): void {
  const known = byNumber.get(number);
  if (known === undefined) byNumber.set(number, [...ways]);
  else known.push(...ways);
}

function isUnconditional({ conditions }: Alternative): boolean {
  return conditions.length === 0;
}

function verdict(ways: readonly Alternative[], fallback: number): Verdict {
  const fixed = ways.find(isUnconditional);
  if (fixed !== undefined) return { alternatives: [], otherwise: fixed.ret };
  return {
    alternatives: ways.toSorted((a, b) => permissiveness(a.ret) - permissiveness(b.ret)),
    otherwise: fallback,
  };
}

/** The kernel's own order when several filters disagree: as a signed number, the smaller one wins. */
function permissiveness(ret: number): number {
  return (ret & 0xffff0000) | 0;
}

function alternatives(rule: SeccompRule, ret: number, bits: 32 | 64): Alternative[] {
  const conditions = (rule.args ?? []).map((arg) => conditionOf(arg, bits));
  const indexes = conditions.map(({ index }) => index);
  if (new Set(indexes).size === indexes.length) return [{ conditions, ret }];
  return conditions.map((condition) => ({ conditions: [condition], ret }));
}

function conditionOf({ index, value, valueTwo = 0n, op }: SeccompArg, bits: 32 | 64): Condition {
  if (!Number.isInteger(index) || index < 0 || index > 5)
    throw fail("invalid_argument", `seccomp: there is no system call argument ${index}`);
  for (const number of [value, valueTwo])
    if (number < 0n || number >= 1n << 64n)
      throw fail("invalid_argument", `seccomp: argument value ${number} does not fit 64 bits`);
  return { index, value: BigInt.asUintN(bits, value), valueTwo: BigInt.asUintN(bits, valueTwo), op, bits };
}

/** Of a multiplexer: its first argument says which call is meant. */
function isCall(number: number): Condition {
  return { index: 0, value: BigInt(number), valueTwo: 0n, op: "SCMP_CMP_EQ", bits: 32 };
}

function returnValue(action: SeccompAction, errnoRet: number | undefined): number {
  const data = errnoRet ?? EPERM;
  if (!Number.isInteger(data) || data < 0 || data > MAX_ERRNO)
    throw fail("invalid_argument", `seccomp: errnoRet ${data} is not between 0 and ${MAX_ERRNO}`);
  switch (action) {
    case "SCMP_ACT_KILL":
    case "SCMP_ACT_KILL_THREAD":
      return SECCOMP_RET.killThread;
    case "SCMP_ACT_KILL_PROCESS":
      return SECCOMP_RET.killProcess;
    case "SCMP_ACT_TRAP":
      return SECCOMP_RET.trap;
    case "SCMP_ACT_ERRNO":
      return SECCOMP_RET.errno | data;
    case "SCMP_ACT_TRACE":
      return SECCOMP_RET.trace | data;
    case "SCMP_ACT_ALLOW":
      return SECCOMP_RET.allow;
    case "SCMP_ACT_LOG":
      return SECCOMP_RET.log;
    case "SCMP_ACT_NOTIFY":
      return SECCOMP_RET.notify;
  }
}

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

function multiplexed(name: string): { readonly call: string; readonly number: number } | undefined {
  const inIpc = IPC_CALLS.get(name);
  if (inIpc !== undefined) return { call: "ipc", number: inIpc };
  const inSocketcall = SOCKETCALLS.indexOf(name);
  return inSocketcall < 0 ? undefined : { call: "socketcall", number: inSocketcall + 1 };
}
