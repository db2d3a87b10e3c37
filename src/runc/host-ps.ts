import { fail } from "../base/errors.ts";
import { runProgram } from "../base/process.ts";

const LIMITS = { timeoutMs: 20_000, maxBytes: 16 << 20 };

/** What the host's own `ps` says with these options, its header and the lines of `pids`. Throws `unavailable` without one. */
export async function hostPs(options: readonly string[], pids: readonly number[]): Promise<string> {
  const { exitCode, stdout, stderr } = await runProgram("ps", options, LIMITS);
  if (exitCode !== 0)
    throw fail("invalid_argument", `ps ${options.join(" ")}: exit status ${exitCode}: ${stderr.trim()}`);
  return linesOf(stdout, pids);
}

/** Throws `invalid_argument` when there is no column PID to know them by. */
export function linesOf(output: string, pids: readonly number[]): string {
  const [header = "", ...lines] = output.split("\n");
  const column = header.trim().split(/\s+/).indexOf("PID");
  if (column < 0) throw fail("invalid_argument", "couldn't find PID field in ps output");
  const wanted = new Set(pids.map(String));
  return [header, ...lines.filter((line) => wanted.has(line.trim().split(/\s+/)[column] ?? ""))]
    .map((line) => `${line}\n`)
    .join("");
}
