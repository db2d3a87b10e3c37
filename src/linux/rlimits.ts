import { fail } from "../base/errors.ts";

/** getrlimit(2), asm-generic numbers: the same on x86_64, aarch64 and riscv64. */
const NUMBERS: ReadonlyMap<string, number> = new Map(
  [
    "cpu",
    "fsize",
    "data",
    "stack",
    "core",
    "rss",
    "nproc",
    "nofile",
    "memlock",
    "as",
    "locks",
    "sigpending",
    "msgqueue",
    "nice",
    "rtprio",
    "rttime",
  ].map((name, number) => [name, number]),
);

export const RLIM_INFINITY = 0xffffffffffffffffn;

/** "RLIMIT_NOFILE" → 7. Throws `invalid_argument` for an unknown name. */
export function rlimitNumber(type: string): number {
  const number = type.startsWith("RLIMIT_") ? NUMBERS.get(type.slice(7).toLowerCase()) : undefined;
  if (number === undefined) throw fail("invalid_argument", `unknown resource limit "${type}"`);
  return number;
}

export function isRlimitName(name: string): boolean {
  return NUMBERS.has(name);
}
