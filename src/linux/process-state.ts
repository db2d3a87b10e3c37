/** What /proc/PID/stat says of a process: proc_pid_stat(5). */
import { readFileSync } from "node:fs";
import { errnoOf } from "../base/errors.ts";

export interface ProcessStat {
  /** The program's name, at most 15 bytes. */
  readonly name: string;
  /** "R", "S", "Z" … */
  readonly state: string;
  readonly parent: number;
  readonly session: number;
  /** Device number of the controlling terminal, 0 = none. */
  readonly terminal: number;
  /** User and system time in clock ticks. */
  readonly ticks: number;
  /** When it began, in clock ticks since boot: with the number it names a process for good. */
  readonly startTicks: bigint;
}

/** Undefined when there is no such process. */
export function readProcessStat(pid: number): ProcessStat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ESRCH") return undefined;
    throw error;
  }
}

/** The name stands in parentheses and may contain anything, parentheses, too. */
export function parseStat(text: string): ProcessStat | undefined {
  const end = text.lastIndexOf(")");
  const fields = text.slice(end + 2).split(" ");
  const field = (number: number): string => fields[number - 3] ?? "";
  if (end < 0 || !/^\d+$/.test(field(22))) return undefined;
  return {
    name: text.slice(text.indexOf("(") + 1, end),
    state: field(3),
    parent: Number(field(4)),
    session: Number(field(6)),
    terminal: Number(field(7)),
    ticks: Number(field(14)) + Number(field(15)),
    startTicks: BigInt(field(22)),
  };
}

export interface ProcessIdentity {
  readonly pid: number;
  readonly startTicks: bigint;
}

/** Whether exactly this process lives: not a zombie, not a later one with the same number. */
export function isAlive({ pid, startTicks }: ProcessIdentity): boolean {
  const stat = readProcessStat(pid);
  return stat !== undefined && stat.startTicks === startTicks && !/[ZXx]/.test(stat.state);
}
