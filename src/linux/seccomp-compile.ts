/**
 * A seccomp profile as a classic BPF program. seccomp(2), Documentation/userspace-api/seccomp_filter.rst
 *
 *     architecture? ── each its own tree ──▶ call number, halved at every step ──▶ answer, or a list of argument tests
 *
 * The kernel runs each number through the filter once when it is loaded and remembers those that are always allowed
 * (since 5.11), so the tree is for the others; it is still the short way, about eight steps for any number.
 */
import { fail } from "../base/errors.ts";
import type { Seccomp } from "../specs/oci-runtime/spec.ts";
import type { HostFacts } from "./host-facts.ts";
import {
  type AbiRules,
  type Alternative,
  type Condition,
  rulesFor,
  SECCOMP_RET,
  type Verdict,
} from "./seccomp-rules.ts";
import { type SyscallAbi, X32_BIT } from "./syscall-table.ts";

export interface SeccompFilter {
  /** SECCOMP_FILTER_FLAG_* */
  readonly filterFlags: number;
  /** struct sock_filter[] */
  readonly filter: Uint8Array;
}

/** BPF_MAXINSNS */
const MAX_INSTRUCTIONS = 4096;

/** linux/audit.h */
export const AUDIT_ARCH: Readonly<Record<Exclude<SyscallAbi, "x32">, number>> = {
  x86_64: 0xc000003e,
  x86: 0x40000003,
  aarch64: 0xc00000b7,
  arm: 0x40000028,
  riscv64: 0xc00000f3,
};

const compiled = new WeakMap<Seccomp, { readonly architecture: string; readonly filter: SeccompFilter }>();

/**
 * The same profile object gives the same filter without work. Architectures that the profile does not list, and that
 * this machine could run, are killed. Throws `invalid_argument` for a profile that makes no sense or is too large.
 */
export function compileSeccomp(seccomp: Seccomp, architecture: HostFacts["architecture"]): SeccompFilter {
  const known = compiled.get(seccomp);
  if (known !== undefined && known.architecture === architecture) return known.filter;
  const program = architectureSwitch(seccomp, architecture);
  if (program.length > MAX_INSTRUCTIONS)
    throw fail(
      "invalid_argument",
      `seccomp: the profile makes ${program.length} instructions, the kernel takes ${MAX_INSTRUCTIONS}`,
    );
  const filter = { filterFlags: filterFlags(seccomp), filter: encode(program) };
  compiled.set(seccomp, { architecture, filter });
  return filter;
}

const FILTER_FLAGS: ReadonlyMap<string, number> = new Map([
  ["SECCOMP_FILTER_FLAG_TSYNC", 1],
  ["SECCOMP_FILTER_FLAG_LOG", 2],
  ["SECCOMP_FILTER_FLAG_SPEC_ALLOW", 4],
]);

/** Without a list, as with runc, the speculation mitigation that costs every program dearly is not forced on. */
function filterFlags({ flags }: Seccomp): number {
  if (flags === undefined) return FILTER_FLAGS.get("SECCOMP_FILTER_FLAG_SPEC_ALLOW") ?? 0;
  return flags.reduce((sum, flag) => {
    const bit = FILTER_FLAGS.get(flag);
    if (bit === undefined) throw fail("not_implemented", `seccomp: flag "${flag}" is not supported`);
    return sum | bit;
  }, 0);
}

// ---- instructions ----

interface Insn {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

const LOAD = 0x20;
const AND = 0x54;
const JUMP = 0x05;
const IF_EQUAL = 0x15;
const IF_GREATER = 0x25;
const IF_AT_LEAST = 0x35;
const RETURN = 0x06;

/** struct seccomp_data */
const OFFSET = { number: 0, architecture: 4, arguments: 16 } as const;

/** Instructions of which every path ends in a return: blocks can be put one behind the other. */
type Block = readonly Insn[];

function load(offset: number): Insn {
  return { code: LOAD, jt: 0, jf: 0, k: offset };
}

function returns(value: number): Block {
  return [{ code: RETURN, jt: 0, jf: 0, k: value >>> 0 }];
}

/** Conditional jumps reach 255 instructions, the unconditional one any distance. */
function branch(code: number, k: number, yes: Block, no: Block): Block {
  if (yes.length <= 255) return [{ code, jt: 0, jf: yes.length, k }, ...yes, ...no];
  return [{ code, jt: 1, jf: 0, k }, { code: JUMP, jt: 0, jf: 0, k: yes.length }, ...yes, ...no];
}

function encode(program: Block): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  program.forEach(({ code, jt, jf, k }, i) => {
    bytes.writeUInt16LE(code, i * 8);
    bytes.writeUInt8(jt, i * 8 + 2);
    bytes.writeUInt8(jf, i * 8 + 3);
    bytes.writeUInt32LE(k >>> 0, i * 8 + 4);
  });
  return bytes;
}

// ---- architectures ----

const ABIS: ReadonlyMap<string, SyscallAbi> = new Map([
  ["SCMP_ARCH_X86_64", "x86_64"],
  ["SCMP_ARCH_X86", "x86"],
  ["SCMP_ARCH_X32", "x32"],
  ["SCMP_ARCH_AARCH64", "aarch64"],
  ["SCMP_ARCH_ARM", "arm"],
  ["SCMP_ARCH_RISCV64", "riscv64"],
]);

/** What else than its own programs a machine runs. x32 is no architecture of its own but a part of x86_64's numbers. */
const FOREIGN: Readonly<Record<HostFacts["architecture"], readonly ("x86" | "arm")[]>> = {
  x86_64: ["x86"],
  aarch64: ["arm"],
  riscv64: [],
};

/** The machine's own architecture is filtered whether it is listed or not. */
function architectureSwitch(seccomp: Seccomp, architecture: HostFacts["architecture"]): Block {
  const listed = (seccomp.architectures ?? []).map((name) => {
    if (!/^SCMP_ARCH_[A-Z0-9_]+$/.test(name))
      throw fail("invalid_argument", `seccomp: unknown architecture "${name}"`);
    return ABIS.get(name);
  });
  let program = returns(SECCOMP_RET.killProcess);
  for (const abi of [...FOREIGN[architecture].filter((foreign) => listed.includes(foreign)), architecture]) {
    const rules = rulesFor(seccomp, abi);
    const above = abi === "x86_64" ? x32Ranges(seccomp, listed.includes("x32"), rules) : [];
    const tree = [load(OFFSET.number), ...decisionTree([...ranges(rules, 0), ...above])];
    program = branch(IF_EQUAL, AUDIT_ARCH[abi], tree, program);
  }
  return [load(OFFSET.architecture), ...program];
}

// ---- call numbers ----

/** From `start` up to the next range's start. */
interface Range {
  readonly start: number;
  readonly verdict: Verdict;
}

function ranges(rules: AbiRules, base: number): Range[] {
  const result: Range[] = [];
  const fallback = always(rules.fallback);
  const push = (start: number, verdict: Verdict): void => {
    const before = result.at(-1);
    if (before === undefined || !isSame(before.verdict, verdict))
      result.push({ start: base + start, verdict });
  };
  let next = 0;
  for (const [number, verdict] of [...rules.calls].sort(([a], [b]) => a - b)) {
    if (number > next) push(next, fallback);
    push(number, verdict);
    next = number + 1;
  }
  push(Math.max(next, rules.last + 1), always(rules.beyondLast));
  return result;
}

/** The last number of all, -1, is how a tracer skips a call; it has the bit but is none of x32's. */
function x32Ranges(seccomp: Seccomp, isWanted: boolean, native: AbiRules): Range[] {
  const x32 = isWanted
    ? ranges(rulesFor(seccomp, "x32"), X32_BIT)
    : [{ start: X32_BIT, verdict: always(SECCOMP_RET.killProcess) }];
  return [...x32, { start: 0xffffffff, verdict: always(native.beyondLast) }];
}

function always(ret: number): Verdict {
  return { alternatives: [], otherwise: ret };
}

function isSame(a: Verdict, b: Verdict): boolean {
  return a.alternatives.length === 0 && b.alternatives.length === 0 && a.otherwise === b.otherwise;
}

function decisionTree(sorted: readonly Range[]): Block {
  const middle = sorted.length >> 1;
  const first = sorted[0];
  const upper = sorted[middle];
  if (first === undefined || upper === undefined) throw fail("internal", "a decision over nothing");
  if (sorted.length === 1) return verdictBlock(first.verdict);
  return branch(
    IF_AT_LEAST,
    upper.start,
    decisionTree(sorted.slice(middle)),
    decisionTree(sorted.slice(0, middle)),
  );
}

// ---- arguments ----

function verdictBlock({ alternatives, otherwise }: Verdict): Block {
  return [...grouped(alternatives).flatMap(alternativeBlock), ...returns(otherwise)];
}

/** Alternatives with the same answer that only compare one argument with different 32-bit values share the loads. */
interface Group {
  readonly ret: number;
  readonly conditions: readonly Condition[];
  /** More values for the only condition's argument. */
  readonly values: readonly number[];
}

function grouped(alternatives: readonly Alternative[]): Group[] {
  const groups: { ret: number; conditions: readonly Condition[]; values: number[] }[] = [];
  for (const { conditions, ret } of alternatives) {
    const [first] = conditions;
    const isSmall = conditions.length === 1 && first?.op === "SCMP_CMP_EQ" && first.value >> 32n === 0n;
    const values = isSmall ? [Number(first.value)] : [];
    const before = groups.at(-1);
    const canShare = before?.ret === ret && before.values.length > 0 && before.values.length < 200;
    if (isSmall && canShare && before.conditions[0]?.index === first.index) before.values.push(...values);
    else groups.push({ ret, conditions, values });
  }
  return groups;
}

/** Ends in a return when all holds, else falls out at its end. */
function alternativeBlock({ ret, conditions, values }: Group): Insn[] {
  const [first] = conditions;
  if (first !== undefined && values.length > 0) return valuesBlock(first, values, ret);
  let block: Insn[] = [...returns(ret)];
  for (const condition of conditions.toReversed()) block = [...test(condition, block.length), ...block];
  return block;
}

function valuesBlock(condition: Condition, values: readonly number[], ret: number): Insn[] {
  const { high, low } = argument(condition);
  const count = values.length;
  return [
    ...high({ code: IF_EQUAL, jt: 0, jf: count + 2, k: 0 }),
    low,
    ...values.map((k, i) => ({ code: IF_EQUAL, jt: count - 1 - i, jf: i === count - 1 ? 1 : 0, k })),
    ...returns(ret),
  ];
}

/**
 * An argument's two words; the machine's words are little-endian on all architectures here. `high` puts tests of the
 * upper one behind its load, if there is an upper one to be tested.
 */
function argument({ index, bits }: Condition): { high: (...tests: Insn[]) => Insn[]; low: Insn } {
  const offset = OFFSET.arguments + 8 * index;
  return { high: (...tests) => (bits === 32 ? [] : [load(offset + 4), ...tests]), low: load(offset) };
}

/** Falls through when the condition holds, else jumps over the `rest` instructions behind it. */
function test(condition: Condition, rest: number): Insn[] {
  const { high, low } = argument(condition);
  const { value, valueTwo, op } = condition;
  const [hi, lo] = words(value);
  switch (op) {
    case "SCMP_CMP_EQ":
      return [
        ...high({ code: IF_EQUAL, jt: 0, jf: rest + 2, k: hi }),
        low,
        { code: IF_EQUAL, jt: 0, jf: rest, k: lo },
      ];
    case "SCMP_CMP_NE":
      return [
        ...high({ code: IF_EQUAL, jt: 0, jf: 2, k: hi }),
        low,
        { code: IF_EQUAL, jt: rest, jf: 0, k: lo },
      ];
    case "SCMP_CMP_GT":
    case "SCMP_CMP_GE":
      return [
        ...high({ code: IF_GREATER, jt: 3, jf: 0, k: hi }, { code: IF_EQUAL, jt: 0, jf: rest + 2, k: hi }),
        low,
        { code: op === "SCMP_CMP_GT" ? IF_GREATER : IF_AT_LEAST, jt: 0, jf: rest, k: lo },
      ];
    case "SCMP_CMP_LT":
    case "SCMP_CMP_LE":
      return [
        ...high({ code: IF_GREATER, jt: rest + 3, jf: 0, k: hi }, { code: IF_EQUAL, jt: 0, jf: 2, k: hi }),
        low,
        { code: op === "SCMP_CMP_LT" ? IF_AT_LEAST : IF_GREATER, jt: rest, jf: 0, k: lo },
      ];
    case "SCMP_CMP_MASKED_EQ": {
      const [wantedHi, wantedLo] = words(valueTwo & value);
      return [
        ...high({ code: AND, jt: 0, jf: 0, k: hi }, { code: IF_EQUAL, jt: 0, jf: rest + 3, k: wantedHi }),
        low,
        { code: AND, jt: 0, jf: 0, k: lo },
        { code: IF_EQUAL, jt: 0, jf: rest, k: wantedLo },
      ];
    }
  }
}

function words(value: bigint): [high: number, low: number] {
  return [Number(value >> 32n), Number(value & 0xffffffffn)];
}
