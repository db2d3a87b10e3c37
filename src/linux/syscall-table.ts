/** System call numbers by name, for every way a program can enter the kernels we run on. */
import { SYSCALLS_AARCH64 } from "./syscalls-aarch64.ts";
import { SYSCALLS_ARM } from "./syscalls-arm.ts";
import { SYSCALLS_RISCV64 } from "./syscalls-riscv64.ts";
import { SYSCALLS_X32 } from "./syscalls-x32.ts";
import { SYSCALLS_X86 } from "./syscalls-x86.ts";
import { SYSCALLS_X86_64 } from "./syscalls-x86_64.ts";

export type SyscallAbi = "x86_64" | "x86" | "x32" | "aarch64" | "arm" | "riscv64";

/** x32 calls enter like those of x86_64, with this bit in their number. */
export const X32_BIT = 0x40000000;

const TEXTS: Readonly<Record<SyscallAbi, string>> = {
  x86_64: SYSCALLS_X86_64,
  x86: SYSCALLS_X86,
  x32: SYSCALLS_X32,
  aarch64: SYSCALLS_AARCH64,
  arm: SYSCALLS_ARM,
  riscv64: SYSCALLS_RISCV64,
};

/** Calls with consecutive numbers. */
export interface SyscallRun {
  readonly first: number;
  readonly names: readonly string[];
}

/** Ascending, x32's numbers without their bit. Read from the text anew: once per filter. */
export function syscallRuns(abi: SyscallAbi): SyscallRun[] {
  return TEXTS[abi]
    .trim()
    .split("\n")
    .map((line) => {
      const [first, ...names] = line.split(" ");
      return { first: Number(first), names };
    });
}

const tables = new Map<SyscallAbi, ReadonlyMap<string, number>>();

/** Name → number. */
export function syscallTable(abi: SyscallAbi): ReadonlyMap<string, number> {
  const known = tables.get(abi);
  if (known !== undefined) return known;
  const table = new Map(
    syscallRuns(abi).flatMap(({ first, names }) => names.map((name, i) => [name, first + i] as const)),
  );
  tables.set(abi, table);
  return table;
}
