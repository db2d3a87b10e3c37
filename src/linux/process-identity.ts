/**
 * Processes that must not be mistaken for others: a process number is given to somebody else as soon as its owner is
 * gone, so every signal goes to a pidfd whose process was checked after the pidfd was opened.
 */
import { readFileSync, readdirSync } from "node:fs";
import { errnoOf } from "../base/errors.ts";
import type { Native } from "./native.ts";

export type Pidfds = Pick<Native, "pidfdOpen" | "pidfdSignal" | "closeFd">;

export const SIGKILL = 9;

/** A file below /proc, or undefined when its process is gone. */
function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ESRCH") return undefined;
    throw error;
  }
}

/** When the process began, in clock ticks since boot: field 22 of /proc/PID/stat. Undefined when there is none. */
export function readStartTicks(pid: number): bigint | undefined {
  const stat = readProc(`/proc/${pid}/stat`);
  // The second field is the program's name in parentheses and may contain anything, parentheses, too.
  const ticks = stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  return ticks === undefined || !/^\d+$/.test(ticks) ? undefined : BigInt(ticks);
}

/**
 * Sends `signal` to the process if `isIt` still says so after its pidfd is open: from then on the number cannot be given to
 * somebody else unnoticed. True when it was sent; false when the process is gone.
 */
export function signalIf(pidfds: Pidfds, pid: number, signal: number, isIt: () => boolean): boolean {
  let pidfd: number;
  try {
    pidfd = pidfds.pidfdOpen(pid);
  } catch (error) {
    if (errnoOf(error) === "ESRCH") return false;
    throw error;
  }
  try {
    if (!isIt()) return false;
    pidfds.pidfdSignal(pidfd, signal);
    return true;
  } catch (error) {
    if (errnoOf(error) === "ESRCH") return false;
    throw error;
  } finally {
    pidfds.closeFd(pidfd);
  }
}

/** Kills exactly the process that began at `startTicks`. True when it was still there. */
export function killProcess(
  pidfds: Pidfds,
  identity: { readonly pid: number; readonly startTicks: bigint },
): boolean {
  const { pid, startTicks } = identity;
  return signalIf(pidfds, pid, SIGKILL, () => readStartTicks(pid) === startTicks);
}

/** Every process whose argument list is exactly `argv`. */
export function processesRunning(argv: readonly string[]): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => isRunning(pid, argv));
}

/** Whether the process's argument list is exactly `argv`. */
export function isRunning(pid: number, argv: readonly string[]): boolean {
  return readProc(`/proc/${pid}/cmdline`) === argv.map((argument) => `${argument}\0`).join("");
}
