import { describe, expect, test } from "bun:test";
import type { Seccomp, SeccompAction, SeccompArg, SeccompRule } from "../specs/oci-runtime/spec.ts";
import { AUDIT_ARCH, compileSeccomp } from "./seccomp-compile.ts";
import { type SyscallAbi, syscallTable, X32_BIT } from "./syscall-table.ts";
import { runSeccomp } from "./testing/bpf.ts";

const ALLOW = 0x7fff0000;
const KILL_PROCESS = 0x80000000;
const errno = (number: number): number => 0x00050000 | number;

const RETURNS: Readonly<Record<string, number>> = {
  SCMP_ACT_KILL: 0,
  SCMP_ACT_KILL_THREAD: 0,
  SCMP_ACT_KILL_PROCESS: KILL_PROCESS,
  SCMP_ACT_TRAP: 0x30000,
  SCMP_ACT_ALLOW: ALLOW,
  SCMP_ACT_LOG: 0x7ffc0000,
};

/** The meaning of a profile, written as plainly as possible. */
function reference(profile: Seccomp, abi: SyscallAbi, number: number, args: readonly bigint[]): number {
  const table = syscallTable(abi);
  const answer = (action: SeccompAction, errnoRet = 1): number =>
    action === "SCMP_ACT_ERRNO"
      ? errno(errnoRet)
      : action === "SCMP_ACT_TRACE"
        ? 0x7ff00000 | errnoRet
        : (RETURNS[action] ?? -1);
  const rules = profile.syscalls ?? [];
  const mentioned = rules.flatMap(({ names }) => names.flatMap((name) => table.get(name) ?? []));
  const mine = rules.filter(({ names }) => names.some((name) => table.get(name) === number));
  const fixed = mine.find(({ args: conditions = [] }) => conditions.length === 0);
  if (fixed !== undefined) return answer(fixed.action, fixed.errnoRet);
  const is32 = abi === "x86" || abi === "arm";
  const seen = is32 ? args.map((arg) => BigInt.asUintN(32, arg)) : args;
  const fitting = mine
    .filter((rule) => fits(is32 ? { ...rule, args: (rule.args ?? []).map(narrow) } : rule, seen))
    .map((rule) => answer(rule.action, rule.errnoRet));
  if (fitting.length > 0) return fitting.reduce((a, b) => ((b | 0) >> 16 < (a | 0) >> 16 ? b : a));
  const isPermissive = /ALLOW|LOG|TRACE/.test(profile.defaultAction);
  if (!isPermissive && mentioned.length > 0 && number > Math.max(...mentioned)) return errno(38);
  return answer(profile.defaultAction, profile.defaultErrnoRet);
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

/** Around every value that a condition names, in both words. */
function interesting(profile: Seccomp): bigint[] {
  const values = new Set([0n, 1n, 0xffffffffn, 0x100000000n, 0xffffffffffffffffn]);
  for (const { args = [] } of profile.syscalls ?? [])
    for (const { value, valueTwo = 0n } of args)
      for (const base of [value, valueTwo, value & valueTwo])
        for (const delta of [-1n, 0n, 1n, 1n << 32n, -(1n << 32n), 1n << 63n])
          values.add(BigInt.asUintN(64, base + delta));
  return [...values];
}

function compare(profile: Seccomp, abi: SyscallAbi): void {
  const isX86 = abi === "x86_64" || abi === "x86" || abi === "x32";
  const machine = isX86 ? "x86_64" : abi === "riscv64" ? "riscv64" : "aarch64";
  const { filter } = compileSeccomp(profile, machine);
  const architecture = AUDIT_ARCH[abi === "x32" ? "x86_64" : abi];
  const conditional = new Set(
    (profile.syscalls ?? [])
      .flatMap(({ names, args = [] }) => (args.length > 0 ? names : []))
      .map((name) => syscallTable(abi).get(name)),
  );
  const values = interesting(profile);
  const numbers = [...Array.from({ length: 600 }, (_, i) => i), 0xf0001, 0xf0005, 0x3fffffff];
  for (const number of numbers) {
    const tries = conditional.has(number) ? values.flatMap((a) => values.map((b) => [a, b])) : [[0n, 0n]];
    for (const [a = 0n, b = 0n] of tries) {
      const args = [a, b, 0n, 0n, 0n, b];
      const { ret } = runSeccomp(filter, {
        number: abi === "x32" ? number | X32_BIT : number,
        architecture,
        args,
      });
      const wanted = reference(profile, abi, number, args) >>> 0;
      if (ret !== wanted)
        throw new Error(`${abi} ${number}(${args.join()}): ${ret.toString(16)}, not ${wanted.toString(16)}`);
    }
  }
}

const rule = (
  names: string[],
  action: SeccompAction,
  args?: SeccompArg[],
  errnoRet?: number,
): SeccompRule => ({
  names,
  action,
  ...(args === undefined ? {} : { args }),
  ...(errnoRet === undefined ? {} : { errnoRet }),
});

const OPERATORS: Seccomp = {
  defaultAction: "SCMP_ACT_ERRNO",
  defaultErrnoRet: 1,
  architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
  syscalls: [
    // the highest number of all, not at the end
    rule(["clone3"], "SCMP_ACT_ERRNO", undefined, 38),
    rule(["read", "write", "close", "no_such_call"], "SCMP_ACT_ALLOW"),
    rule(["dup"], "SCMP_ACT_ALLOW", [{ index: 0, value: 5n, op: "SCMP_CMP_EQ" }]),
    rule(["dup3"], "SCMP_ACT_LOG", [{ index: 0, value: 0x1_0000_0005n, op: "SCMP_CMP_EQ" }]),
    rule(["ioctl"], "SCMP_ACT_ALLOW", [{ index: 1, value: 0x5412n, op: "SCMP_CMP_NE" }]),
    rule(["kill"], "SCMP_ACT_ALLOW", [{ index: 0, value: 7n, op: "SCMP_CMP_GT" }]),
    rule(["tkill"], "SCMP_ACT_ALLOW", [{ index: 0, value: 0x2_0000_0007n, op: "SCMP_CMP_GE" }]),
    rule(["tgkill"], "SCMP_ACT_ALLOW", [{ index: 0, value: 0x2_0000_0007n, op: "SCMP_CMP_LT" }]),
    rule(["mlock"], "SCMP_ACT_ALLOW", [{ index: 1, value: 7n, op: "SCMP_CMP_LE" }]),
    rule(["clone"], "SCMP_ACT_ALLOW", [
      { index: 0, value: 0x7e020000n, valueTwo: 0n, op: "SCMP_CMP_MASKED_EQ" },
    ]),
    rule(["prctl"], "SCMP_ACT_ALLOW", [
      { index: 0, value: 0xff_0000_00f0n, valueTwo: 0x1_0000_001fn, op: "SCMP_CMP_MASKED_EQ" },
    ]),
    // a conjunction of two arguments
    rule(
      ["fcntl"],
      "SCMP_ACT_TRACE",
      [
        { index: 0, value: 3n, op: "SCMP_CMP_GE" },
        { index: 1, value: 9n, op: "SCMP_CMP_NE" },
        { index: 5, value: 1n << 40n, op: "SCMP_CMP_LT" },
      ],
      77,
    ),
    // alternatives on one argument
    rule(["personality"], "SCMP_ACT_ALLOW", [
      { index: 0, value: 0n, op: "SCMP_CMP_EQ" },
      { index: 0, value: 8n, op: "SCMP_CMP_EQ" },
    ]),
    rule(["personality"], "SCMP_ACT_ALLOW", [{ index: 0, value: 0xffffffffn, op: "SCMP_CMP_EQ" }]),
    // overlapping answers: the strictest wins, whatever the order
    rule(["ptrace"], "SCMP_ACT_ALLOW", [{ index: 0, value: 5n, op: "SCMP_CMP_GE" }]),
    rule(["ptrace"], "SCMP_ACT_KILL_PROCESS", [{ index: 0, value: 9n, op: "SCMP_CMP_GE" }]),
    rule(["ptrace"], "SCMP_ACT_ERRNO", [{ index: 0, value: 8n, op: "SCMP_CMP_GE" }], 13),
    // without conditions wins over all
    rule(["mount"], "SCMP_ACT_KILL", [{ index: 0, value: 1n, op: "SCMP_CMP_EQ" }]),
    rule(["mount"], "SCMP_ACT_ALLOW"),
    rule(["mount"], "SCMP_ACT_TRAP"),
  ],
};

const DENY_SOME: Seccomp = {
  defaultAction: "SCMP_ACT_ALLOW",
  architectures: ["SCMP_ARCH_X86"],
  syscalls: [
    rule(["keyctl", "bpf"], "SCMP_ACT_KILL_THREAD"),
    rule(["unshare"], "SCMP_ACT_TRAP", [
      { index: 0, value: 1n << 28n, valueTwo: 1n << 28n, op: "SCMP_CMP_MASKED_EQ" },
    ]),
  ],
};

describe("compileSeccomp() agrees with a plain evaluation", () => {
  test.each(["x86_64", "x86", "x32", "aarch64", "arm"] as const)("of all operators on %s", (abi) =>
    compare(OPERATORS, abi),
  );
  test.each(["x86_64", "x86", "riscv64"] as const)("of a list of denials on %s", (abi) =>
    compare(DENY_SOME, abi),
  );

  test("of many values of one argument", () => {
    const syscalls = Array.from({ length: 600 }, (_, i) =>
      rule(["socket"], "SCMP_ACT_ALLOW", [{ index: 0, value: BigInt(2 * i), op: "SCMP_CMP_EQ" }]),
    );
    const profile: Seccomp = { defaultAction: "SCMP_ACT_KILL_PROCESS", syscalls };
    const { filter } = compileSeccomp(profile, "x86_64");
    for (let family = 0; family < 1300; family++) {
      const { ret } = runSeccomp(filter, {
        number: 41,
        architecture: AUDIT_ARCH.x86_64,
        args: [BigInt(family)],
      });
      expect(ret).toBe(reference(profile, "x86_64", 41, [BigInt(family)]) >>> 0);
    }
  });
});

describe("compileSeccomp()", () => {
  const evaluate = (profile: Seccomp, architecture: number, number: number, args: bigint[] = []): number =>
    runSeccomp(compileSeccomp(profile, "x86_64").filter, { number, architecture, args }).ret;

  test("kills on an architecture that is not listed", () => {
    const profile: Seccomp = { defaultAction: "SCMP_ACT_ALLOW" };
    expect(evaluate(profile, AUDIT_ARCH.x86, 1)).toBe(KILL_PROCESS);
    expect(evaluate(profile, AUDIT_ARCH.aarch64, 1)).toBe(KILL_PROCESS);
    expect(evaluate(profile, AUDIT_ARCH.x86_64, 1)).toBe(ALLOW);
  });

  test("kills x32 calls when x32 is not listed", () => {
    const profile: Seccomp = { defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86_64"] };
    expect(evaluate(profile, AUDIT_ARCH.x86_64, X32_BIT)).toBe(KILL_PROCESS);
    expect(evaluate(profile, AUDIT_ARCH.x86_64, 0xfffffffe)).toBe(KILL_PROCESS);
    expect(evaluate(profile, AUDIT_ARCH.x86_64, 0xffffffff)).toBe(ALLOW);
  });

  test("is not deceived by the upper half of a register that a 32-bit call ignores", () => {
    const profile: Seccomp = {
      defaultAction: "SCMP_ACT_ALLOW",
      architectures: ["SCMP_ARCH_X86"],
      syscalls: [rule(["socket"], "SCMP_ACT_ERRNO", [{ index: 0, value: 38n, op: "SCMP_CMP_EQ" }])],
    };
    expect(evaluate(profile, AUDIT_ARCH.x86, 359, [(1n << 32n) | 38n])).toBe(errno(1));
    expect(evaluate(profile, AUDIT_ARCH.x86_64, 41, [(1n << 32n) | 38n])).toBe(ALLOW);
  });

  test("covers x86's socketcall and ipc by rules without conditions", () => {
    const profile: Seccomp = {
      defaultAction: "SCMP_ACT_ERRNO",
      architectures: ["SCMP_ARCH_X86"],
      syscalls: [
        rule(["connect", "shmget"], "SCMP_ACT_ALLOW"),
        rule(["socket"], "SCMP_ACT_ALLOW", [{ index: 0, value: 40n, op: "SCMP_CMP_NE" }]),
      ],
    };
    expect(evaluate(profile, AUDIT_ARCH.x86, 102, [3n])).toBe(ALLOW);
    expect(evaluate(profile, AUDIT_ARCH.x86, 102, [1n])).toBe(errno(1));
    expect(evaluate(profile, AUDIT_ARCH.x86, 117, [23n])).toBe(ALLOW);
    expect(evaluate(profile, AUDIT_ARCH.x86, 117, [24n])).toBe(errno(1));
  });

  test("reaches any answer in few steps", () => {
    const names = [...syscallTable("x86_64").keys()].filter((_, i) => i % 2 === 0);
    const profile: Seccomp = { defaultAction: "SCMP_ACT_ERRNO", syscalls: [rule(names, "SCMP_ACT_ALLOW")] };
    const { filter } = compileSeccomp(profile, "x86_64");
    for (let number = 0; number < 500; number++)
      expect(runSeccomp(filter, { number, architecture: AUDIT_ARCH.x86_64, args: [] }).steps).toBeLessThan(
        16,
      );
  });

  test("gives the same filter for the same profile without making it again", () => {
    expect(compileSeccomp(OPERATORS, "x86_64")).toBe(compileSeccomp(OPERATORS, "x86_64"));
    expect(compileSeccomp(OPERATORS, "aarch64").filter).not.toEqual(
      compileSeccomp(OPERATORS, "x86_64").filter,
    );
  });

  test("translates filter flags", () => {
    expect(compileSeccomp({ defaultAction: "SCMP_ACT_ALLOW" }, "x86_64").filterFlags).toBe(4);
    expect(compileSeccomp({ defaultAction: "SCMP_ACT_ALLOW", flags: [] }, "x86_64").filterFlags).toBe(0);
    const flags = ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"];
    expect(compileSeccomp({ defaultAction: "SCMP_ACT_ALLOW", flags }, "x86_64").filterFlags).toBe(3);
  });

  test.each<[string, Seccomp, string]>([
    ["a supervisor", { defaultAction: "SCMP_ACT_NOTIFY" }, "SCMP_ACT_NOTIFY cannot be the default"],
    ["an unknown flag", { defaultAction: "SCMP_ACT_ALLOW", flags: ["X"] }, 'flag "X"'],
    [
      "an unknown architecture",
      { defaultAction: "SCMP_ACT_ALLOW", architectures: ["amd64"] },
      'architecture "amd64"',
    ],
    [
      "an errno that the kernel would cut",
      { defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 5000 },
      "5000",
    ],
    [
      "a seventh argument",
      {
        defaultAction: "SCMP_ACT_ALLOW",
        syscalls: [rule(["dup"], "SCMP_ACT_LOG", [{ index: 6, value: 0n, op: "SCMP_CMP_EQ" }])],
      },
      "argument 6",
    ],
    [
      "a value beyond 64 bits",
      {
        defaultAction: "SCMP_ACT_ALLOW",
        syscalls: [rule(["dup"], "SCMP_ACT_LOG", [{ index: 0, value: 1n << 64n, op: "SCMP_CMP_EQ" }])],
      },
      "does not fit",
    ],
    [
      "more than the kernel takes",
      {
        defaultAction: "SCMP_ACT_ALLOW",
        syscalls: Array.from({ length: 900 }, (_, i) =>
          rule(["dup"], "SCMP_ACT_LOG", [{ index: 0, value: BigInt(i) << 32n, op: "SCMP_CMP_EQ" }]),
        ),
      },
      "instructions",
    ],
  ])("refuses %s", (_, profile, message) => {
    expect(() => compileSeccomp(profile, "x86_64")).toThrow(message);
  });
});
