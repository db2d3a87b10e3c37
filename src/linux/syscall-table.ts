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

const tables = new Map<SyscallAbi, ReadonlyMap<string, number>>();

/** Name → number, x32's without their bit. Read from the text when first asked for. */
export function syscallTable(abi: SyscallAbi): ReadonlyMap<string, number> {
  const known = tables.get(abi);
  if (known !== undefined) return known;
  const table = readTable(TEXTS[abi]);
  tables.set(abi, table);
  return table;
}

function readTable(text: string): Map<string, number> {
  const table = new Map<string, number>();
  for (const line of text.split("\n")) {
    const [first, ...names] = line.split(" ");
    names.forEach((name, i) => table.set(name, Number(first) + i));
  }
  return table;
}
