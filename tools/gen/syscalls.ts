/**
 * Writes src/linux/syscalls-*.ts, the system call numbers of each architecture, from the kernel's user-space headers.
 *
 *     bun tools/gen/syscalls.ts DIR      DIR/<arch>/asm/unistd*.h, as in /usr/lib/linux/uapi of Debian's linux-libc-dev
 *
 * Last made from linux-libc-dev 7.3.4 (Debian trixie-backports).
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const TABLES: readonly {
  readonly name: string;
  readonly header: string;
  readonly extra?: readonly [string, number][];
}[] = [
  { name: "x86_64", header: "x86/asm/unistd_64.h" },
  { name: "x86", header: "x86/asm/unistd_32.h" },
  { name: "x32", header: "x86/asm/unistd_x32.h" },
  { name: "aarch64", header: "arm64/asm/unistd_64.h" },
  {
    name: "arm",
    header: "arm/asm/unistd-eabi.h",
    // __ARM_NR_*, arm/asm/unistd.h
    extra: [
      ["breakpoint", 0xf0001],
      ["cacheflush", 0xf0002],
      ["usr26", 0xf0003],
      ["usr32", 0xf0004],
      ["set_tls", 0xf0005],
      ["get_tls", 0xf0006],
      ["sync_file_range2", 341],
    ],
  },
  { name: "riscv64", header: "riscv/asm/unistd_64.h" },
];

function readHeader(path: string): Map<string, number> {
  const numbers = new Map<string, number>();
  for (const line of readFileSync(path, "utf8").split("\n")) {
    const match =
      /^#define __NR_(\w+)\s+(?:(\d+)|\(__(?:X32_SYSCALL_BIT|NR_SYSCALL_BASE)\s*\+\s*(\d+)\))\s*$/.exec(line);
    if (match !== null) numbers.set(match[1] ?? "", Number(match[2] ?? match[3]));
  }
  return numbers;
}

/** Runs of consecutive numbers, one per line, long ones broken: "0 read write open". */
function runs(numbers: ReadonlyMap<string, number>): string[] {
  const lines: string[] = [];
  let line = "";
  let next = -1;
  for (const [name, number] of [...numbers].sort((a, b) => a[1] - b[1])) {
    if (number === next && line.length + name.length < 105) line += ` ${name}`;
    else {
      if (line !== "") lines.push(line);
      line = `${number} ${name}`;
    }
    next = number + 1;
  }
  return [...lines, line];
}

const dir = process.argv[2];
if (dir === undefined || !existsSync(dir)) throw new Error("usage: bun tools/gen/syscalls.ts DIR");
for (const { name, header, extra = [] } of TABLES) {
  const numbers = readHeader(join(dir, header));
  if (numbers.size < 250) throw new Error(`${header}: only ${numbers.size} system calls found`);
  for (const [call, number] of extra) numbers.set(call, number);
  const constant = `SYSCALLS_${name.toUpperCase()}`;
  const text = [
    `/** System calls of ${name}: each line is the first one's number, then names in ascending order. Made by tools/gen/syscalls.ts. */`,
    `export const ${constant} = \``,
    ...runs(numbers),
    "`;",
    "",
  ].join("\n");
  writeFileSync(join(import.meta.dirname, `../../src/linux/syscalls-${name}.ts`), text);
  console.log(`${name}: ${numbers.size}`);
}
