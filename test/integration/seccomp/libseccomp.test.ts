/**
 * Our filters beside libseccomp's, as runc uses it: the same answer to every call number and around every value of an
 * argument that a profile names. What differs on purpose is in docs/seccomp.md and has a test of its own here.
 */
import { beforeAll, expect, test } from "bun:test";
import { capabilityMask, DEFAULT_CAPABILITIES } from "../../../src/linux/capabilities.ts";
import { compileSeccomp } from "../../../src/linux/seccomp-compile.ts";
import { defaultSeccomp } from "../../../src/linux/seccomp-profile.ts";
import { syscallTable } from "../../../src/linux/syscall-table.ts";
import { runSeccomp } from "../../../src/linux/testing/bpf.ts";
import { FACTS_V1 } from "../../../src/linux/testing/facts.ts";
import { evaluate } from "../../../src/linux/testing/seccomp-plain.ts";
import type { Seccomp, SeccompAction, SeccompArg, SeccompRule } from "../../../src/specs/oci-runtime/spec.ts";
import {
  ABIS,
  allNames,
  type Abi,
  buildHelper,
  filterOf,
  OCI_NAMES,
  RuncFilter,
  TOKENS,
} from "../../support/libseccomp.ts";
import { describeWith } from "../../support/requires.ts";
import { randomFrom } from "../../support/random.ts";

const X32_BIT = 0x40000000;
const NO_ARGS = [0n, 0n, 0n, 0n, 0n, 0n];

type Names = Readonly<Record<Abi, ReadonlyMap<string, number>>>;
let names: Names;

const machineOf = (abi: Abi): "x86_64" | "aarch64" | "riscv64" =>
  abi === "riscv64" ? "riscv64" : abi === "aarch64" || abi === "arm" ? "aarch64" : "x86_64";

/** A libseccomp older than our tables lacks names; they are no part of the comparison. */
function known(profile: Seccomp): Seccomp {
  const isKnown = (name: string): boolean =>
    ABIS.every((abi) => names[abi].has(name) || !syscallTable(abi).has(name));
  return {
    ...profile,
    syscalls: (profile.syscalls ?? []).map((rule) => ({ ...rule, names: rule.names.filter(isKnown) })),
  };
}

function differences(
  profile: Seccomp,
  abi: Abi,
  calls: Iterable<readonly [number: number, args: readonly bigint[]]>,
  options: { readonly optimize?: 1 | 2; readonly architecture?: number } = {},
): string[] {
  const made = filterOf(profile, options.optimize ?? 1);
  if (made.result !== 0) return [`libseccomp refuses: ${made.result}`];
  const theirs = new RuncFilter(profile, made.filter, names);
  const { filter } = compileSeccomp(profile, machineOf(abi));
  const architecture = options.architecture ?? TOKENS[abi === "x32" ? "x86_64" : abi];
  const found: string[] = [];
  for (const [number, args] of calls) {
    const data = { number, architecture, args };
    const mine = runSeccomp(filter, data).ret;
    const other = theirs.run(data).ret;
    if (mine !== other)
      found.push(`${abi} ${number}(${args.join()}): ${mine.toString(16)}, not ${other.toString(16)}`);
  }
  return found;
}

/** Everything up to beyond the newest, ARM's own, and the borders of the number's bits. */
function* everyNumber(abi: Abi): Generator<readonly [number, readonly bigint[]]> {
  const more = [0xf0000, 0xf0001, 0xf0002, 0xf0003, 0xf0004, 0xf0005, 0xf0006, 0x3fffffff];
  const numbers = [...Array.from({ length: 1200 }, (_, i) => i), ...more];
  for (const number of numbers) yield [abi === "x32" ? number + X32_BIT : number, NO_ARGS];
  if (abi === "x32" || abi === "x86_64")
    for (const number of [0x3fffffff, X32_BIT, 0x7fffffff, 0xc0000000, 0xfffffffe, 0xffffffff])
      yield [number, NO_ARGS];
}

function around(values: readonly bigint[]): bigint[] {
  const deltas = [-1n, 0n, 1n, 1n << 32n, -(1n << 32n), 1n << 63n];
  return [...new Set(values.flatMap((value) => deltas.map((delta) => BigInt.asUintN(64, value + delta))))];
}

const rule = (name: string, action: SeccompAction, ...args: SeccompArg[]): SeccompRule => ({
  names: [name],
  action,
  args,
});

const ALL = ABIS.map((abi) => OCI_NAMES[abi]);
const OPERATORS: readonly SeccompArg["op"][] = [
  "SCMP_CMP_NE",
  "SCMP_CMP_LT",
  "SCMP_CMP_LE",
  "SCMP_CMP_EQ",
  "SCMP_CMP_GE",
  "SCMP_CMP_GT",
  "SCMP_CMP_MASKED_EQ",
];

describeWith("beside libseccomp", ["libseccomp"], () => {
  beforeAll(() => {
    buildHelper();
    names = allNames();
  });

  test.each(ABIS)("our table of %s has all that libseccomp knows, with the same numbers", (abi) => {
    const table = syscallTable(abi);
    const wrong = [...names[abi]].filter(([name, number]) => table.get(name) !== number % X32_BIT);
    expect(names[abi].size).toBeGreaterThan(250);
    expect(wrong).toEqual([]);
  });

  for (const optimize of [1, 2] as const)
    test.each(ABIS)(`Docker's default profile answers alike on %s (optimize ${optimize})`, (abi) => {
      const facts = { ...FACTS_V1, architecture: machineOf(abi) };
      const capabilities = capabilityMask(DEFAULT_CAPABILITIES);
      for (const chosen of [capabilities, 0n, facts.capabilities]) {
        const profile = known(defaultSeccomp({ capabilities: chosen, facts }));
        expect(differences(profile, abi, everyNumber(abi), { optimize })).toEqual([]);
        const values = around([0n, 1n, 0x28n, 0x26n, 0x20008n, 0xffffffffn, 0x7e020000n, 0x11n, 1n << 28n]);
        // libseccomp looks at 32 bits of x32's arguments.
        const seen = abi === "x32" ? values.filter((value) => value < 1n << 32n) : values;
        const calls = ["socket", "personality", "clone"].flatMap((name) =>
          seen.map((value) => [names[abi].get(name) ?? 0, [value, ...NO_ARGS.slice(1)]] as const),
        );
        expect(differences(profile, abi, calls, { optimize })).toEqual([]);
      }
    });

  test.each<[string, Seccomp]>([
    ["without rules", { defaultAction: "SCMP_ACT_ERRNO", architectures: ALL }],
    ["of one architecture", { defaultAction: "SCMP_ACT_ERRNO", syscalls: [rule("dup", "SCMP_ACT_ALLOW")] }],
    [
      "without x32",
      {
        defaultAction: "SCMP_ACT_ALLOW",
        architectures: ["SCMP_ARCH_X86"],
        syscalls: [rule("dup", "SCMP_ACT_TRAP")],
      },
    ],
    [
      "of call 0 alone",
      { defaultAction: "SCMP_ACT_ERRNO", architectures: ALL, syscalls: [rule("read", "SCMP_ACT_ALLOW")] },
    ],
    [
      "with an unknown name",
      {
        defaultAction: "SCMP_ACT_KILL",
        architectures: ALL,
        syscalls: [rule("no_such", "SCMP_ACT_ALLOW"), rule("dup3", "SCMP_ACT_LOG")],
      },
    ],
  ])("a profile %s answers alike", (_, profile) => {
    for (const abi of ["x86_64", "x86", "x32"] as const)
      expect(differences(profile, abi, everyNumber(abi))).toEqual([]);
    for (const architecture of [0, 0xffffffff, TOKENS.x86, TOKENS.aarch64 ^ 1])
      expect(differences(profile, "x86_64", everyNumber("x86_64"), { architecture })).toEqual([]);
  });

  test.each(OPERATORS)("%s answers alike around every value", (op) => {
    const values = [0n, 1n, 5n, 0xffffffffn, 1n << 32n, 0x1_0000_0005n, 1n << 63n, 0xffffffffffffffffn];
    for (const value of values)
      for (const valueTwo of op === "SCMP_CMP_MASKED_EQ" ? values : [0n])
        for (const abi of ["x86_64", "x86"] as const) {
          const condition = { index: 2, op, value, valueTwo };
          const syscalls = [rule("ioctl", "SCMP_ACT_LOG", condition), rule("dup", "SCMP_ACT_ALLOW")];
          const profile: Seccomp = {
            defaultAction: "SCMP_ACT_ERRNO",
            architectures: ["SCMP_ARCH_X86"],
            syscalls,
          };
          const number = names[abi].get("ioctl") ?? 0;
          const calls = around(values).map((arg) => [number, [9n, 9n, arg, 9n, 9n, 9n]] as const);
          expect(differences(profile, abi, calls)).toEqual([]);
        }
  });
});

// ---- random profiles ----

interface Style {
  /** Rules of a call all answer the same. */
  readonly agree: boolean;
  readonly conditions: number;
  readonly operators: readonly SeccompArg["op"][];
  readonly rulesPerCall: number;
}

const ACTIONS: readonly SeccompAction[] = [
  "SCMP_ACT_KILL",
  "SCMP_ACT_KILL_PROCESS",
  "SCMP_ACT_TRAP",
  "SCMP_ACT_ERRNO",
  "SCMP_ACT_NOTIFY",
  "SCMP_ACT_TRACE",
  "SCMP_ACT_ALLOW",
  "SCMP_ACT_LOG",
];
const VALUES = [
  0n,
  1n,
  5n,
  6n,
  0xffffffffn,
  1n << 32n,
  0x1_0000_0005n,
  2n << 32n,
  1n << 31n,
  0xffffffffffffffffn,
];
const CALLS = ["dup", "ioctl", "fcntl", "clone", "prctl", "mmap", "futex", "kill"];

function randomProfile(random: (limit: number) => number, style: Style): Seccomp {
  const pick = <T>(list: readonly T[]): T => {
    const [chosen] = list.slice(random(list.length));
    if (chosen === undefined) throw new Error("nothing to choose from");
    return chosen;
  };
  const fallback = pick(ACTIONS.filter((action) => action !== "SCMP_ACT_NOTIFY"));
  const others = ACTIONS.filter((action) => action !== fallback);
  const syscalls = CALLS.filter(() => random(3) > 0).flatMap((name) => {
    const one = pick(others);
    return Array.from({ length: 1 + random(style.rulesPerCall) }, () => {
      const indexes = [0, 1, 2, 5]
        .toSorted(() => random(2) - 0.5)
        .slice(0, random(style.conditions + 1) || 1);
      const args = indexes.map((index) => ({
        index,
        op: pick(style.operators),
        value: pick(VALUES),
        valueTwo: pick(VALUES),
      }));
      return rule(name, style.agree ? one : pick(others), ...args);
    });
  });
  return {
    defaultAction: fallback,
    architectures: ["SCMP_ARCH_X86", "SCMP_ARCH_X32"].filter(() => random(2) > 0),
    syscalls,
  };
}

function* randomCalls(
  random: (limit: number) => number,
  abi: Abi,
): Generator<readonly [number, readonly bigint[]]> {
  const values = around(VALUES);
  for (const name of CALLS)
    for (let i = 0; i < 40; i++)
      yield [names[abi].get(name) ?? 0, NO_ARGS.map(() => values[random(values.length)] ?? 0n)];
}

const EXACT: Readonly<Record<string, Style & { readonly count: number }>> = {
  "one rule a call, up to three conditions": {
    agree: false,
    conditions: 3,
    operators: OPERATORS,
    rulesPerCall: 1,
    count: 300,
  },
  "several rules that agree, by equality": {
    agree: true,
    conditions: 1,
    operators: ["SCMP_CMP_EQ", "SCMP_CMP_MASKED_EQ"],
    rulesPerCall: 4,
    count: 150,
  },
  "several rules that disagree, by equality and lower bounds": {
    agree: false,
    conditions: 1,
    operators: ["SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT"],
    rulesPerCall: 3,
    count: 150,
  },
};

describeWith("random profiles beside libseccomp", ["libseccomp"], () => {
  for (const [title, { count, ...style }] of Object.entries(EXACT))
    test(`${title}: answer alike`, () => {
      const random = randomFrom(20260701);
      let compared = 0;
      for (let i = 0; i < count; i++) {
        const profile = randomProfile(random, style);
        if (filterOf(profile, 1).result !== 0) continue; // contradictions: see the next suite
        compared++;
        for (const abi of ["x86_64", "x86"] as const)
          expect(differences(profile, abi, randomCalls(random, abi))).toEqual([]);
      }
      expect(compared).toBeGreaterThan(count / 2);
    });

  test("rules that agree mean what they say, where libseccomp loses some, too", () => {
    const random = randomFrom(7);
    for (let i = 0; i < 300; i++) {
      const profile = randomProfile(random, {
        agree: true,
        conditions: 3,
        operators: OPERATORS,
        rulesPerCall: 4,
      });
      const { filter } = compileSeccomp(profile, "x86_64");
      for (const abi of ["x86_64", "x86"] as const) {
        if (abi === "x86" && profile.architectures?.includes("SCMP_ARCH_X86") !== true) continue;
        for (const [number, args] of randomCalls(random, abi)) {
          const { ret } = runSeccomp(filter, { number, architecture: TOKENS[abi], args });
          expect(ret).toBe(evaluate(profile, abi, number, args) >>> 0);
        }
      }
    }
  });
});

describeWith("what differs from libseccomp on purpose", ["libseccomp"], () => {
  const answers = (profile: Seccomp, abi: Abi, name: string, ...args: bigint[]): [number, number] => {
    const number = names[abi].get(name) ?? 0;
    const data = { number, architecture: TOKENS[abi === "x32" ? "x86_64" : abi], args };
    const theirs = new RuncFilter(profile, filterOf(profile, 1).filter, names);
    return [runSeccomp(compileSeccomp(profile, "x86_64").filter, data).ret, theirs.run(data).ret];
  };
  const is = (index: number, op: SeccompArg["op"], value: bigint): SeccompArg => ({
    index,
    op,
    value,
  });

  test("several upper bounds with different upper words all hold", () => {
    const syscalls = [
      rule("prctl", "SCMP_ACT_ALLOW", is(0, "SCMP_CMP_LE", 2n << 32n)),
      rule("prctl", "SCMP_ACT_ALLOW", is(0, "SCMP_CMP_LT", 5n)),
    ];
    const profile: Seccomp = { defaultAction: "SCMP_ACT_TRAP", syscalls };
    expect(answers(profile, "x86_64", "prctl", 0x7fffffffn)).toEqual([0x7fff0000, 0x30000]);
  });

  test("a number that is neither x86_64's nor x32's is killed like the rest of x32's range", () => {
    const profile: Seccomp = { defaultAction: "SCMP_ACT_ERRNO", syscalls: [rule("dup", "SCMP_ACT_ALLOW")] };
    const data = { number: 0x80000000, architecture: TOKENS.x86_64, args: [] };
    expect(runSeccomp(compileSeccomp(profile, "x86_64").filter, data).ret).toBe(0x80000000);
    expect(new RuncFilter(profile, filterOf(profile, 1).filter, names).run(data).ret).toBe(0x50026);
  });

  test("x32's arguments are compared whole", () => {
    const profile: Seccomp = {
      defaultAction: "SCMP_ACT_TRAP",
      architectures: ALL.slice(0, 3),
      syscalls: [rule("dup", "SCMP_ACT_ALLOW", is(0, "SCMP_CMP_EQ", 5n))],
    };
    expect(answers(profile, "x32", "dup", (1n << 32n) | 5n)).toEqual([0x30000, 0x7fff0000]);
    expect(answers(profile, "x32", "dup", 5n)).toEqual([0x7fff0000, 0x7fff0000]);
  });

  test("a condition on a socket's family does not open socketcall", () => {
    const profile: Seccomp = {
      defaultAction: "SCMP_ACT_TRAP",
      architectures: ["SCMP_ARCH_X86"],
      syscalls: [rule("socket", "SCMP_ACT_ALLOW", is(0, "SCMP_CMP_EQ", 2n)), rule("dup", "SCMP_ACT_ALLOW")],
    };
    expect(answers(profile, "x86", "socketcall", 1n)).toEqual([0x30000, 0x7fff0000]);
  });

  test("contradictions are refused by both", () => {
    const syscalls = [
      rule("dup", "SCMP_ACT_ALLOW", is(0, "SCMP_CMP_EQ", 5n)),
      rule("dup", "SCMP_ACT_LOG", is(0, "SCMP_CMP_EQ", 5n)),
    ];
    const profile: Seccomp = { defaultAction: "SCMP_ACT_TRAP", syscalls };
    expect(filterOf(profile, 1).result).toBe(-17);
    expect(() => compileSeccomp(profile, "x86_64")).toThrow("answer differently");
  });
});
