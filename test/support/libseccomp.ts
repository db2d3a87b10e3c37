/**
 * What runc with libseccomp makes of a profile, for comparison: the rules go the way of runc's `matchCall`, libseccomp
 * makes the filter (`libseccomp-filter.c`), and the ENOSYS stub that runc puts in front is evaluated here.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { runSeccomp, type SeccompData } from "../../src/linux/testing/bpf.ts";
import type { Seccomp, SeccompRule } from "../../src/specs/oci-runtime/spec.ts";

export const ABIS = ["x86_64", "x86", "x32", "aarch64", "arm", "riscv64"] as const;
export type Abi = (typeof ABIS)[number];

/** SCMP_ARCH_*, seccomp.h: the kernel's AUDIT_ARCH_* but for x32. */
export const TOKENS: Readonly<Record<Abi, number>> = {
  x86_64: 0xc000003e,
  x86: 0x40000003,
  x32: 0x4000003e,
  aarch64: 0xc00000b7,
  arm: 0x40000028,
  riscv64: 0xc00000f3,
};

export const OCI_NAMES: Readonly<Record<Abi, string>> = {
  x86_64: "SCMP_ARCH_X86_64",
  x86: "SCMP_ARCH_X86",
  x32: "SCMP_ARCH_X32",
  aarch64: "SCMP_ARCH_AARCH64",
  arm: "SCMP_ARCH_ARM",
  riscv64: "SCMP_ARCH_RISCV64",
};

const X32_BIT = 0x40000000;
const OPERATORS = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"];
const build = join(import.meta.dirname, "../../build");
const program = join(build, "libseccomp-filter");

export function buildHelper(): void {
  mkdirSync(build, { recursive: true });
  const source = join(import.meta.dirname, "libseccomp-filter.c");
  const flags = ["-O2", "-Wall", "-Wextra", "-Werror"];
  const { status, stderr } = spawnSync("cc", [...flags, source, "-lseccomp", "-o", program]);
  if (status !== 0) throw new Error(stderr.toString());
}

/** Names and numbers as libseccomp knows them; x32's with their bit. */
function namesOf(abi: Abi): ReadonlyMap<string, number> {
  const { status, stdout, stderr } = spawnSync(program, ["names", String(TOKENS[abi])]);
  if (status !== 0) throw new Error(stderr.toString());
  const rows = stdout.toString().trim().split("\n");
  const entries = rows
    .map((row) => row.split(" "))
    .map(([number, name = ""]) => [name, Number(number)] as const);
  return new Map(entries.filter(([, number]) => abi !== "x32" || number >= X32_BIT));
}

export function allNames(): Readonly<Record<Abi, ReadonlyMap<string, number>>> {
  const [x86_64, x86, x32] = [namesOf("x86_64"), namesOf("x86"), namesOf("x32")];
  return { x86_64, x86, x32, aarch64: namesOf("aarch64"), arm: namesOf("arm"), riscv64: namesOf("riscv64") };
}

function returnOf(action: string, data = 1): number {
  const fixed: Readonly<Record<string, number>> = {
    SCMP_ACT_KILL: 0,
    SCMP_ACT_KILL_THREAD: 0,
    SCMP_ACT_KILL_PROCESS: 0x80000000,
    SCMP_ACT_TRAP: 0x30000,
    SCMP_ACT_ERRNO: 0x50000 + data,
    SCMP_ACT_NOTIFY: 0x7fc00000,
    SCMP_ACT_TRACE: 0x7ff00000 + data,
    SCMP_ACT_LOG: 0x7ffc0000,
    SCMP_ACT_ALLOW: 0x7fff0000,
  };
  return fixed[action] ?? Number.NaN;
}

/** Adds the rules in the profile's order; two conditions on one argument become two rules. */
function lines(seccomp: Seccomp, optimize: 1 | 2): string[] {
  const fallback = returnOf(seccomp.defaultAction, seccomp.defaultErrnoRet);
  const archs = ABIS.filter((abi) => seccomp.architectures?.includes(OCI_NAMES[abi]));
  return [
    `filter ${fallback} ${optimize}`,
    ...archs.map((abi) => `arch ${TOKENS[abi]}`),
    ...(seccomp.syscalls ?? [])
      .filter(({ action, errnoRet }) => returnOf(action, errnoRet) !== fallback)
      .flatMap((rule) => rule.names.flatMap((name) => ruleLines(rule, name))),
    "end",
  ];
}

function ruleLines({ action, errnoRet, args = [] }: SeccompRule, name: string): string[] {
  const start = `rule ${returnOf(action, errnoRet)} ${name}`;
  const conditions = args.map(
    ({ index, op, value, valueTwo = 0n }) =>
      `${index} ${OPERATORS.indexOf(op.slice("SCMP_CMP_".length)) + 1} ${value} ${valueTwo}`,
  );
  const isRepeated = new Set(args.map(({ index }) => index)).size < args.length;
  if (isRepeated) return conditions.map((condition) => `${start} 1 ${condition}`);
  return [[start, args.length, ...conditions].join(" ")];
}

export interface Made {
  /** 0, or a negative errno: libseccomp refuses the profile. */
  readonly result: number;
  readonly filter: Uint8Array;
}

/** One process for each: some profiles keep libseccomp 2.5.4 busy for ever, they count as refused with ETIME. */
export function filterOf(profile: Seccomp, optimize: 1 | 2): Made {
  const input = `${lines(profile, optimize).join("\n")}\n`;
  const { status, signal, stdout, stderr } = spawnSync(program, ["filters"], { input, timeout: 2000 });
  if (signal === "SIGTERM") return { result: -62, filter: new Uint8Array() };
  if (status !== 0) throw new Error(stderr.toString());
  const size = stdout.readUInt32LE(4);
  return { result: stdout.readInt32LE(0), filter: stdout.subarray(8, 8 + size) };
}

/** runc's answer on an x86_64 machine: its stub for calls newer than the profile, then the filter. */
export class RuncFilter {
  readonly #filter: Uint8Array;
  /** Per ABI, when there is a stub. */
  readonly #last = new Map<Abi, number>();

  constructor(
    seccomp: Seccomp,
    filter: Uint8Array,
    names: Readonly<Record<Abi, ReadonlyMap<string, number>>>,
  ) {
    this.#filter = filter;
    if (["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"].includes(seccomp.defaultAction)) return;
    for (const abi of ABIS) {
      if (abi !== "x86_64" && seccomp.architectures?.includes(OCI_NAMES[abi]) !== true) continue;
      const numbers = (seccomp.syscalls ?? []).flatMap((rule) =>
        rule.names.map((name) => names[abi].get(name) ?? 0),
      );
      const last = Math.max(0, ...numbers);
      if (last > 0) this.#last.set(abi, last);
    }
  }

  run(data: SeccompData): { readonly ret: number; readonly steps: number } {
    const number = data.number >>> 0;
    const isX32 = data.architecture === TOKENS.x86_64 && (number & X32_BIT) !== 0;
    const abi = isX32 ? "x32" : ABIS.find((name) => TOKENS[name] === data.architecture);
    const last = abi === undefined ? undefined : this.#last.get(abi);
    if (last !== undefined && number > last) return { ret: 0x50026, steps: 4 };
    return runSeccomp(this.#filter, data);
  }
}
