import { cpuTimes, processDetails } from "../linux/process-details.ts";
import { userName } from "./user-name.ts";

const HEADER = "UID          PID    PPID  C STIME TTY          TIME CMD\n";

/** As `ps -ef` shows them, without that program; processes that end meanwhile are left out. */
export function processTable(pids: readonly number[]): string {
  const clock = cpuTimes();
  const lines = pids.flatMap((pid) => {
    const found = processDetails(pid, clock);
    if (found === undefined) return [];
    const { uid, parent, startedAt, terminal, cpuSeconds, ageSeconds, command } = found;
    const load = ageSeconds < 1 ? 0 : Math.min(99, Math.floor((100 * cpuSeconds) / ageSeconds));
    const cells = [
      shortName(userName(uid)).padEnd(8),
      String(pid).padStart(7),
      String(parent).padStart(7),
      String(load).padStart(2),
      started(startedAt, new Date()),
      terminal.padEnd(8),
      clockTime(cpuSeconds),
      command,
    ];
    return [`${cells.join(" ")}\n`];
  });
  return HEADER + lines.join("");
}

function shortName(name: string): string {
  return name.length > 8 ? `${name.slice(0, 7)}+` : name;
}

/** The time of day within the last day, else the date. */
function started(at: Date, now: Date): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  if (now.getTime() - at.getTime() < 86_400_000) return `${two(at.getHours())}:${two(at.getMinutes())}`;
  return `${at.toDateString().slice(4, 7)}${two(at.getDate())}`;
}

function clockTime(seconds: number): string {
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds) % 60];
  return parts.map((part) => String(part).padStart(2, "0")).join(":");
}
