/** What a table of processes shows of each: proc_pid_stat(5), proc_pid_cmdline(5). */
import { readFileSync, statSync } from "node:fs";
import { errnoOf } from "../base/errors.ts";
import { readProcessStat } from "./process-state.ts";

/** USER_HZ: what all architectures have shown to programs since Linux 2.4. */
const TICKS_PER_SECOND = 100;

export interface CpuClock {
  readonly nowMs: number;
  readonly uptimeSeconds: number;
}

export interface ProcessDetails {
  readonly uid: number;
  readonly parent: number;
  readonly startedAt: Date;
  readonly ageSeconds: number;
  readonly cpuSeconds: number;
  /** "pts/0", "?" = none. */
  readonly terminal: string;
  /** The command line; of a kernel thread or a zombie the name in brackets. */
  readonly command: string;
}

export function cpuTimes(): CpuClock {
  return { nowMs: Date.now(), uptimeSeconds: Number(readFileSync("/proc/uptime", "latin1").split(" ")[0]) };
}

/** Undefined when the process is gone. */
export function processDetails(pid: number, clock: CpuClock): ProcessDetails | undefined {
  const stat = readProcessStat(pid);
  if (stat === undefined) return undefined;
  const ageSeconds = Math.max(0, clock.uptimeSeconds - Number(stat.startTicks) / TICKS_PER_SECOND);
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").replace(/\0+$/, "");
    const suffix = stat.state === "Z" ? " <defunct>" : "";
    return {
      uid: statSync(`/proc/${pid}`).uid,
      parent: stat.parent,
      startedAt: new Date(clock.nowMs - ageSeconds * 1000),
      ageSeconds,
      cpuSeconds: stat.ticks / TICKS_PER_SECOND,
      terminal: terminalName(stat.terminal),
      command: words === "" ? `[${stat.name}]${suffix}` : printable(words.replaceAll("\0", " ")),
    };
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ESRCH") return undefined;
    throw error;
  }
}

/** A process chooses its own words: none of them may move the cursor of who looks at them. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, "?");
}

/** Of a device number as stat shows it; Unix98 slaves have the majors 136 to 143, consoles 4: devices.txt */
function terminalName(device: number): string {
  const major = (device >> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >> 12) & 0xfff00);
  if (major >= 136 && major <= 143) return `pts/${(major - 136) * 256 + minor}`;
  if (major === 4) return minor < 64 ? `tty${minor}` : `ttyS${minor - 64}`;
  return device === 0 ? "?" : `${major}:${minor}`;
}
