/** Signals by name or number, as `kill`, `stop` and StopSignal take them. Linux numbers of x86-64, arm64 and riscv64. */
import { fail } from "../../base/errors.ts";

const RTMIN = 34;
const RTMAX = 64;

const NUMBERS: ReadonlyMap<string, number> = new Map(
  `HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU
   XFSZ VTALRM PROF WINCH IO PWR SYS`
    .split(/\s+/)
    .map((name, index) => [name, index + 1]),
);
const ALIASES: ReadonlyMap<string, number> = new Map([
  ["IOT", 6],
  ["CLD", 17],
  ["POLL", 29],
  ["UNUSED", 31],
]);

export const SIGKILL = 9;
export const SIGTERM = 15;

/** Throws `invalid_argument` with Docker's wording. */
export function parseSignal(text: string): number {
  if (/^-?\d{1,9}$/.test(text)) {
    const number = Number(text);
    if (number === 0) throw fail("invalid_argument", `invalid signal: ${text}`);
    if (number < 0 || number > RTMAX)
      throw fail("invalid_argument", `the linux daemon does not support signal ${number}`);
    return number;
  }
  const name = text.toUpperCase().replace(/^SIG/, "");
  const number = NUMBERS.get(name) ?? ALIASES.get(name) ?? realtime(name);
  if (number === undefined) throw fail("invalid_argument", `invalid signal: ${text.slice(0, 100)}`);
  return number;
}

function realtime(name: string): number | undefined {
  const match = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (match === null) return undefined;
  const offset = Number(match[3] ?? 0) * (match[2] === "-" ? -1 : 1);
  const number = (match[1] === "MIN" ? RTMIN : RTMAX) + offset;
  return number >= RTMIN && number <= RTMAX ? number : undefined;
}
