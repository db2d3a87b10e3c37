/** Signals by number or name, as `kill` takes them: "9", "KILL", "SIGKILL", "sigkill", "RTMIN+3". */
import { fail } from "../base/errors.ts";

/** Of all Linux architectures that this runtime knows: signal(7). */
const NAMES = [
  "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT",
  "CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS",
]
  .join(" ")
  .split(" ");
const ALIASES: ReadonlyMap<string, number> = new Map([
  ["IOT", 6],
  ["CLD", 17],
  ["POLL", 29],
  ["UNUSED", 31],
  // As the C libraries count: the kernel's first two are theirs.
  ["RTMIN", 34],
  ["RTMAX", 64],
]);
const LAST = 64;

/** Throws `invalid_argument` in runc's words. */
export function parseSignal(text: string): number {
  const number = signalNumber(text);
  if (number === undefined) throw fail("invalid_argument", `unknown signal ${JSON.stringify(text)}`);
  return number;
}

function signalNumber(text: string): number | undefined {
  if (/^\d{1,2}$/.test(text)) return Number(text) <= LAST ? Number(text) : undefined;
  const name = text.toUpperCase().replace(/^SIG/, "");
  const at = NAMES.indexOf(name);
  if (at >= 0) return at + 1;
  const [, base = "", sign = "", offset = "0"] = /^(RTMIN|RTMAX)(?:([+-])(\d{1,2}))$/.exec(name) ?? [];
  if (base === "") return ALIASES.get(name);
  const number = (ALIASES.get(base) ?? 0) + (sign === "-" ? -Number(offset) : Number(offset));
  return number >= (ALIASES.get("RTMIN") ?? 0) && number <= LAST ? number : undefined;
}
