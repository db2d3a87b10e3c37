/**
 * Tests of system call arguments as BPF, which knows 32-bit words. All comparisons with numbers are one thing: the
 * argument's values fall into intervals, each with its answer, and are found by halving, upper word first. So thirty
 * permitted values cost five steps, and `!= 5` is no other code than `< 5`. Only masks are a test of their own.
 */
import { fail } from "../base/errors.ts";
import {
  IF_EQUAL,
  isSameTarget,
  merged,
  type Program,
  type Range,
  search,
  type Target,
} from "./seccomp-program.ts";
import type { Alternative, Condition } from "./seccomp-rules.ts";

/** Of args[0] in struct seccomp_data; all architectures here have the lower word first. */
const ARGUMENTS = 16;

/** The first alternative of which all conditions hold gives the answer, else `otherwise` does. */
export function alternativesTarget(
  program: Program,
  alternatives: readonly Alternative[],
  otherwise: Target,
): Target {
  let next = otherwise;
  for (let end = alternatives.length; end > 0; ) {
    const group = lastGroup(alternatives.slice(0, end));
    next = groupTarget(program, group, next);
    end -= group.length;
  }
  return next;
}

/** As many as can share one search: each compares the same argument, and nothing else, with a number. */
function lastGroup(alternatives: readonly Alternative[]): readonly Alternative[] {
  const index = comparedArgument(alternatives.at(-1));
  if (index === undefined) return alternatives.slice(-1);
  const before = alternatives.findLastIndex((alternative) => comparedArgument(alternative) !== index);
  return alternatives.slice(before + 1);
}

function comparedArgument(alternative: Alternative | undefined): number | undefined {
  const [first, ...more] = alternative?.conditions ?? [];
  return first === undefined || more.length > 0 || first.op === "SCMP_CMP_MASKED_EQ"
    ? undefined
    : first.index;
}

function groupTarget(program: Program, group: readonly Alternative[], otherwise: Target): Target {
  const [first] = group;
  if (first === undefined) throw fail("internal", "a group of no alternatives");
  if (group.length === 1) {
    let next: Target = { kind: "answer", ret: first.ret };
    for (const condition of first.conditions.toReversed())
      next = conditionTarget(program, condition, next, otherwise);
    return next;
  }
  const cases = group.flatMap(({ conditions, ret }) =>
    conditions.map((condition) => ({ condition, target: { kind: "answer", ret } as const })),
  );
  return comparison(program, cases, otherwise);
}

function conditionTarget(program: Program, condition: Condition, yes: Target, no: Target): Target {
  if (condition.op === "SCMP_CMP_MASKED_EQ") return maskTest(program, condition, yes, no);
  return comparison(program, [{ condition, target: yes }], no);
}

function maskTest(
  program: Program,
  { index, value: mask, valueTwo }: Condition,
  yes: Target,
  no: Target,
): Target {
  const word = (offset: number, shift: bigint, next: Target): Target => {
    const bits = Number((mask >> shift) & 0xffffffffn);
    if (bits === 0) return next;
    const wanted = Number(((mask & valueTwo) >> shift) & 0xffffffffn);
    const test = program.jump(IF_EQUAL, wanted, next, no);
    return program.load(offset, bits === 0xffffffff ? test : program.and(bits, test));
  };
  const low = word(ARGUMENTS + 8 * index, 0n, yes);
  return word(ARGUMENTS + 8 * index + 4, 32n, low);
}

// ---- comparisons ----

interface Case {
  readonly condition: Condition;
  readonly target: Target;
}

/** From `start` up to the next one's. */
interface Interval {
  readonly start: bigint;
  readonly target: Target;
}

/** All cases are about one argument; the first that holds wins. */
function comparison(program: Program, cases: readonly Case[], otherwise: Target): Target {
  const [first] = cases;
  if (first === undefined) return otherwise;
  const { index, bits } = first.condition;
  const parts = intervals(cases, otherwise);
  const low = ARGUMENTS + 8 * index;
  if (bits === 32) return wordSearch(program, low, lowWords(parts));
  return wordSearch(
    program,
    low + 4,
    highWords(parts, (ranges) => wordSearch(program, low, ranges)),
  );
}

function wordSearch(program: Program, offset: number, ranges: readonly Range[]): Target {
  const distinct = merged(ranges);
  const target = search(program, distinct);
  return distinct.length === 1 ? target : program.load(offset, target);
}

function lowWords(parts: readonly Interval[]): Range[] {
  return parts.map(({ start, target }) => ({ start: Number(start & 0xffffffffn), target }));
}

/** A word within which the answer changes is looked at further by `inside`. */
function highWords(parts: readonly Interval[], inside: (ranges: readonly Range[]) => Target): Range[] {
  const result: Range[] = [];
  let before: Target | undefined;
  for (let i = 0; i < parts.length; ) {
    const word = (parts[i]?.start ?? 0n) >> 32n;
    const found = parts.slice(i).findIndex(({ start }) => start >> 32n !== word);
    const group = parts.slice(i, found < 0 ? undefined : i + found);
    const [first] = group;
    const last = group.at(-1);
    if (first === undefined || last === undefined) throw fail("internal", "an interval without an end");
    const isWhole = first.start === word << 32n;
    if (isWhole && group.length === 1) {
      result.push({ start: Number(word), target: first.target });
    } else {
      const ranges = lowWords(group);
      const all = isWhole || before === undefined ? ranges : [{ start: 0, target: before }, ...ranges];
      result.push({ start: Number(word), target: () => inside(all) });
      if (word < 0xffffffffn) result.push({ start: Number(word) + 1, target: last.target });
    }
    before = last.target;
    i += group.length;
  }
  // A word that begins where the one before it ends stands twice; the later one knows better.
  return result.filter(({ start }, i) => result[i + 1]?.start !== start);
}

/** Cuts all values at every number that is named, then gives every piece to the first case that it fits. */
function intervals(cases: readonly Case[], otherwise: Target): Interval[] {
  const limit = 1n << BigInt(cases[0]?.condition.bits ?? 64);
  const spans = cases.map(({ condition }) => spansOf(condition, limit));
  const cuts = new Set([0n]);
  for (const pieces of spans) for (const [from, to] of pieces) cuts.add(from).add(to);
  cuts.delete(limit);
  const starts = [...cuts].sort((a, b) => (a < b ? -1 : 1));
  const places = new Map(starts.map((start, i) => [start, i]));
  const targets = starts.map(() => otherwise);
  for (let i = cases.length - 1; i >= 0; i--)
    for (const [from, to] of spans[i] ?? [])
      targets.fill(cases[i]?.target ?? otherwise, places.get(from), places.get(to));
  const pieces = starts.map((start, i) => ({ start, target: targets[i] ?? otherwise }));
  return pieces.filter(({ target }, i) => {
    const before = pieces[i - 1];
    return before === undefined || !isSameTarget(before.target, target);
  });
}

/** Where a comparison is true: pieces [from, to). */
function spansOf({ op, value }: Condition, limit: bigint): (readonly [bigint, bigint])[] {
  switch (op) {
    case "SCMP_CMP_EQ":
      return [[value, value + 1n]];
    case "SCMP_CMP_NE":
      return nonEmpty([0n, value], [value + 1n, limit]);
    case "SCMP_CMP_LT":
      return nonEmpty([0n, value]);
    case "SCMP_CMP_LE":
      return [[0n, value + 1n]];
    case "SCMP_CMP_GE":
      return [[value, limit]];
    case "SCMP_CMP_GT":
      return nonEmpty([value + 1n, limit]);
    case "SCMP_CMP_MASKED_EQ":
      throw fail("internal", "a mask is no interval");
  }
}

function nonEmpty(...spans: (readonly [bigint, bigint])[]): (readonly [bigint, bigint])[] {
  return spans.filter(([from, to]) => from < to);
}
