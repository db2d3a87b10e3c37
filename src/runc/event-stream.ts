/** What `events` writes: JSON lines {"type":"stats"|"oom","id":…,"data":…}, as runc's callers read them. */
import { isCategory } from "../base/errors.ts";
import { encodeStats, readCgroupStats } from "../linux/cgroup-stats.ts";
import { readOomKills } from "../linux/oom-kills.ts";
import { type Container, mainProcess } from "./container.ts";
import type { Context } from "./context.ts";
import { sleepMs } from "./files.ts";
import { isAlive } from "../linux/process-state.ts";

/**
 * How long a kill for want of memory may stay unnoticed. The kernel's notifications (eventfd on v1, inotify on v2) would be
 * sooner, but a counter cannot be missed, and a look at one small file costs microseconds.
 */
const LOOK_MS = 100;

export async function statsLine({ id, record }: Container): Promise<string> {
  const stats = encodeStats(await readCgroupStats(record.cgroupDirs));
  return `{"type":"stats","id":${JSON.stringify(id)},"data":${stats}}\n`;
}

/** Until the container has ended. */
export async function follow(context: Context, container: Container, intervalMs: number): Promise<void> {
  const dirs = container.record.cgroupDirs;
  let kills = readOomKills(dirs) ?? 0n;
  let nextStats = performance.now() + intervalMs;
  for (;;) {
    sleepMs(Math.max(0, Math.min(LOOK_MS, nextStats - performance.now())));
    const main = mainProcess(container);
    const alive = main !== undefined && isAlive(main);
    const now = readOomKills(dirs) ?? kills;
    for (; kills < now; kills++)
      context.write(`${JSON.stringify({ type: "oom", id: container.id })}\n`);
    if (!alive) return;
    if (performance.now() < nextStats) continue;
    nextStats += intervalMs;
    try {
      context.write(await statsLine(container));
    } catch (error) {
      // It ended while we looked.
      if (!isCategory(error, "not_found")) throw error;
    }
  }
}
