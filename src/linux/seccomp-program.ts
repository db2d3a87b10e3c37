/**
 * Classic BPF, written from its end to its beginning: jumps only lead forwards, so what an instruction leads to is there
 * before it, and its distance is known. linux/filter.h, seccomp(2)
 */
import { fail } from "../base/errors.ts";

/** Where a jump may lead: an answer of the filter, or an instruction that is already written. */
export type Target =
  | { readonly kind: "answer"; readonly ret: number }
  | { readonly kind: "block"; readonly at: number };

export const IF_EQUAL = 0x15;
export const IF_AT_LEAST = 0x35;

const LOAD = 0x20;
const AND = 0x54;
const JUMP = 0x05;
const RETURN = 0x06;

/** BPF_MAXINSNS */
const MAX_INSTRUCTIONS = 4096;
/** jt and jf have eight bits. */
const REACH = 255;

interface Insn {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

export function answer(ret: number): Target {
  return { kind: "answer", ret };
}

export function isSameTarget(a: Target, b: Target): boolean {
  if (a.kind === "answer") return b.kind === "answer" && a.ret === b.ret;
  return b.kind === "block" && a.at === b.at;
}

export class Program {
  /** The last instruction first. */
  readonly #insns: Insn[] = [];
  /** Where each answer was last written. */
  readonly #returns = new Map<number, number>();

  /** Tests the accumulator: `code` is one of the IF_* above, compared without sign. */
  jump(code: number, k: number, yes: Target, no: Target): Target {
    if (isSameTarget(yes, no)) return yes;
    const noAt = this.#within(no);
    const yesAt = this.#within(yes);
    const here = this.#insns.length;
    return this.#write({ code, jt: here - yesAt - 1, jf: here - noAt - 1, k });
  }

  /** Loads the 32-bit word at `offset` of struct seccomp_data into the accumulator. */
  load(offset: number, next: Target): Target {
    this.#lead(next);
    return this.#write({ code: LOAD, jt: 0, jf: 0, k: offset });
  }

  and(mask: number, next: Target): Target {
    this.#lead(next);
    return this.#write({ code: AND, jt: 0, jf: 0, k: mask });
  }

  /** struct sock_filter[], beginning at `start`. Throws `invalid_argument` when it is more than the kernel takes. */
  encode(start: Target): Uint8Array {
    this.#lead(start);
    const count = this.#insns.length;
    if (count > MAX_INSTRUCTIONS)
      throw fail(
        "invalid_argument",
        `seccomp: the profile makes ${count} instructions, the kernel takes ${MAX_INSTRUCTIONS}`,
      );
    // struct sock_filter: u16 code, u8 jt, u8 jf, u32 k. All machines here are little-endian.
    const words = new Uint32Array(count * 2);
    let at = count * 2;
    for (const { code, jt, jf, k } of this.#insns) {
      words[--at] = k;
      words[--at] = code | (jt << 16) | (jf << 24);
    }
    return new Uint8Array(words.buffer);
  }

  #write(insn: Insn): Target {
    this.#insns.push(insn);
    return { kind: "block", at: this.#insns.length - 1 };
  }

  /** The target, or a copy or stepping stone, so near that one instruction more may come before the jump to it. */
  #within(target: Target): number {
    const here = this.#insns.length;
    const at = target.kind === "block" ? target.at : this.#returns.get(target.ret);
    if (at !== undefined && here - at <= REACH) return at;
    this.#step(target);
    return here;
  }

  /** Makes the target what comes next. */
  #lead(target: Target): void {
    const last = this.#insns.length - 1;
    const at = target.kind === "block" ? target.at : this.#returns.get(target.ret);
    if (at === undefined || at !== last) this.#step(target);
  }

  #step(target: Target): void {
    const here = this.#insns.length;
    if (target.kind === "block") {
      this.#insns.push({ code: JUMP, jt: 0, jf: 0, k: here - target.at - 1 });
    } else {
      this.#insns.push({ code: RETURN, jt: 0, jf: 0, k: target.ret });
      this.#returns.set(target.ret, here);
    }
  }
}

/** From `start` up to the next range's start; the first one starts at 0. */
export interface Range {
  readonly start: number;
  /** Makes the target when its place in the program has come. */
  readonly target: Target | (() => Target);
}

/** Leaves out every range that only continues the one before it. */
export function merged(ranges: readonly Range[]): Range[] {
  return ranges.filter(({ target }, i) => {
    const before = ranges[i - 1]?.target;
    return before === undefined || !isSame(before, target);
  });
}

function isSame(a: Range["target"], b: Range["target"]): boolean {
  return typeof a === "object" && typeof b === "object" ? isSameTarget(a, b) : a === b;
}

/** Finds the accumulator's range by halving. `ranges` is sorted and merged. */
export function search(program: Program, ranges: readonly Range[], from = 0, to = ranges.length): Target {
  const first = ranges[from];
  if (first === undefined || from >= to) throw fail("internal", "a decision over nothing");
  if (to - from === 1) return typeof first.target === "function" ? first.target() : first.target;
  if (to - from === 3) {
    const [second, third] = [ranges[from + 1], ranges[from + 2]];
    const isHole = second !== undefined && third?.start === second.start + 1;
    if (isHole && isSame(first.target, third.target)) {
      const outside = search(program, ranges, from, from + 1);
      return program.jump(IF_EQUAL, second.start, search(program, ranges, from + 1, from + 2), outside);
    }
  }
  const middle = (from + to) >> 1;
  const lower = search(program, ranges, from, middle);
  const upper = search(program, ranges, middle, to);
  return program.jump(IF_AT_LEAST, ranges[middle]?.start ?? 0, upper, lower);
}
