/**
 * A seccomp profile as a classic BPF program. seccomp(2), Documentation/userspace-api/seccomp_filter.rst
 *
 *     architecture? ── each its own tree ──▶ call number, halved at every step ──▶ answer, or tests of arguments
 *
 * Files: `seccomp-rules.ts` says what the profile means, this one compares architectures and call numbers,
 * `seccomp-arguments.ts` arguments, `seccomp-program.ts` writes the instructions. docs/seccomp.md holds it against
 * libseccomp. The kernel runs each number through the filter once when it is loaded and remembers those that are always
 * allowed (since 5.11), so the tree is for the others; it is still the short way, about ten steps for any number.
 */
import { fail } from "../base/errors.ts";
import type { Seccomp } from "../specs/oci-runtime/spec.ts";
import type { HostFacts } from "./host-facts.ts";
import { alternativesTarget } from "./seccomp-arguments.ts";
import { answer, IF_EQUAL, merged, Program, type Range, search, type Target } from "./seccomp-program.ts";
import {
  type Alternative,
  notifies,
  type ProfileRules,
  readRules,
  rulesFor,
  SECCOMP_RET,
  type Verdict,
} from "./seccomp-rules.ts";
import { type SyscallAbi, X32_BIT } from "./syscall-table.ts";

export interface SeccompFilter {
  /**
   * SECCOMP_FILTER_FLAG_*, never NEW_LISTENER: whoever loads a filter for a supervisor adds it, since the kernel then
   * answers with the supervisor's descriptor. Which calls must not wait for a supervisor is that one's matter, too.
   */
  readonly filterFlags: number;
  /** struct sock_filter[] */
  readonly filter: Uint8Array;
}

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
 * The same profile object gives the same filter without work. Architectures that the profile does not list are killed,
 * the whole process at once. Throws `invalid_argument` for a profile that makes no sense or is too large.
 */
export function compileSeccomp(seccomp: Seccomp, architecture: HostFacts["architecture"]): SeccompFilter {
  const known = compiled.get(seccomp);
  if (known !== undefined && known.architecture === architecture) return known.filter;
  const flags = filterFlags(seccomp);
  const program = new Program();
  const filter = {
    filterFlags: flags,
    filter: program.encode(architectureSwitch(program, seccomp, architecture)),
  };
  compiled.set(seccomp, { architecture, filter });
  return filter;
}

const SPEC_ALLOW = 4;
const WAIT_KILLABLE_RECV = 32;

/** TSYNC asks for what is so anyway: init has one thread. With it the kernel would refuse a supervisor. */
const FILTER_FLAGS: ReadonlyMap<string, number> = new Map([
  ["SECCOMP_FILTER_FLAG_TSYNC", 0],
  ["SECCOMP_FILTER_FLAG_LOG", 2],
  ["SECCOMP_FILTER_FLAG_SPEC_ALLOW", SPEC_ALLOW],
  ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", WAIT_KILLABLE_RECV],
]);

/** Without a list, as with runc, the speculation mitigation that costs every program dearly is not forced on. */
function filterFlags(seccomp: Seccomp): number {
  if (seccomp.flags === undefined) return SPEC_ALLOW;
  const flags = seccomp.flags.reduce((sum, flag) => {
    const bit = FILTER_FLAGS.get(flag);
    if (bit === undefined) throw fail("invalid_argument", `seccomp: unknown flag "${flag}"`);
    return sum | bit;
  }, 0);
  if ((flags & WAIT_KILLABLE_RECV) !== 0 && !notifies(seccomp))
    throw fail(
      "invalid_argument",
      "seccomp: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV is for profiles with SCMP_ACT_NOTIFY",
    );
  return flags;
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

/** The specification's other ones: a profile may be for many machines. */
const ELSEWHERE = new Set(
  [
    "MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PPC PPC64 PPC64LE S390 S390X",
    "PARISC PARISC64 LOONGARCH64 M68K SH SHEB",
  ].flatMap((line) => line.split(" ").map((name) => `SCMP_ARCH_${name}`)),
);

/** What else than its own programs a machine runs. x32 is no architecture of its own but a part of x86_64's numbers. */
const FOREIGN: Readonly<Record<HostFacts["architecture"], readonly ("x86" | "arm")[]>> = {
  x86_64: ["x86"],
  aarch64: ["arm"],
  riscv64: [],
};

/** struct seccomp_data */
const OFFSET = { number: 0, architecture: 4 } as const;

/** The machine's own architecture is filtered whether it is listed or not. */
function architectureSwitch(
  program: Program,
  seccomp: Seccomp,
  architecture: HostFacts["architecture"],
): Target {
  const listed = new Set(
    (seccomp.architectures ?? []).map((name) => {
      const abi = ABIS.get(name);
      if (abi === undefined && !ELSEWHERE.has(name))
        throw fail("invalid_argument", `seccomp: unknown architecture "${name}"`);
      return abi;
    }),
  );
  const context = { program, rules: readRules(seccomp), tests: new Map<readonly Alternative[], Target>() };
  let next = answer(SECCOMP_RET.killProcess);
  for (const abi of [...FOREIGN[architecture].filter((foreign) => listed.has(foreign)), architecture]) {
    const above = abi === "x86_64" ? x32Ranges(context, listed.has("x32")) : [];
    const tree = search(program, merged([...callRanges(context, abi, 0), ...above]));
    next = program.jump(IF_EQUAL, AUDIT_ARCH[abi], program.load(OFFSET.number, tree), next);
  }
  return program.load(OFFSET.architecture, next);
}

// ---- call numbers ----

interface Context {
  readonly program: Program;
  readonly rules: ProfileRules;
  /** Of arguments, already written: x86_64 and x32 share those of a name. */
  readonly tests: Map<readonly Alternative[], Target>;
}

function callRanges({ program, rules, tests }: Context, abi: SyscallAbi, base: number): Range[] {
  const testsOf = ({ alternatives, otherwise }: Verdict): Target => {
    const known = tests.get(alternatives);
    if (known !== undefined) return known;
    const made = alternativesTarget(program, alternatives, answer(otherwise));
    tests.set(alternatives, made);
    return made;
  };
  return rulesFor(rules, abi).map(({ start, verdict }) => ({
    start: base + start,
    target: verdict.alternatives.length === 0 ? answer(verdict.otherwise) : () => testsOf(verdict),
  }));
}

/**
 * Without x32 its calls are those of an architecture that is not listed. The last number of all, -1, is how a tracer
 * skips a call: it has the bit but is none of x32's.
 */
function x32Ranges(context: Context, isListed: boolean): Range[] {
  if (isListed) return callRanges(context, "x32", X32_BIT);
  return [
    { start: X32_BIT, target: answer(SECCOMP_RET.killProcess) },
    { start: 0xffffffff, target: answer(context.rules.fallback) },
  ];
}
