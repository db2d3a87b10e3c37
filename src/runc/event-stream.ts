/** What `events` writes: JSON lines {"type":"stats"|"oom","id":…,"data":…}, as runc's callers read them. */
import { setTimeout as pause } from "node:timers/promises";
import { isCategory } from "../base/errors.ts";
import { timerMs } from "../base/timer-limit.ts";
import { oomKills } from "../linux/cgroup-oom.ts";
import { encodeStats, readCgroupStats } from "../linux/cgroup-stats.ts";
import { type HostFacts, readHostFacts } from "../linux/host-facts.ts";
import type { RdtStats } from "../linux/intel-rdt-stats.ts";
import { isAlive } from "../linux/process-state.ts";
import { type Container, mainProcess } from "./container.ts";
import type { Context } from "./context.ts";

/** How long the end of the container may stay unnoticed. */
const LOOK_MS = 200;

/** `readFacts` is asked about a class of service alone. */
export async function statsLine(container: Container, readFacts = readHostFacts): Promise<string> {
  const { id, record } = container;
  const ofCgroup = await readCgroupStats(record.cgroupDirs);
  const stats = encodeStats(
    record.hasRdt ? { ...ofCgroup, intel_rdt: await rdtStats(container, readFacts()) } : ofCgroup,
  );
  return `{"type":"stats","id":${JSON.stringify(id)},"data":${stats}}\n`;
}

async function rdtStats(container: Container, facts: HostFacts): Promise<RdtStats | undefined> {
  const { rdtGroupOf, recordedSpec } = await import("./cgroup-driver.ts");
  const { readRdtStats } = await import("../linux/intel-rdt-stats.ts");
  const group = rdtGroupOf(recordedSpec(container), container.id, facts);
  return group === undefined || facts.resctrl === undefined ? undefined : readRdtStats(facts.resctrl, group);
}

/** Until the container has ended. */
export async function follow(context: Context, container: Container, intervalMs: number): Promise<void> {
  const ending = new AbortController();
  const { signal } = ending;
  const ended = whenEnded(container, signal).finally(() => ending.abort());
  await Promise.all([
    ended,
    reportOom(context, container, signal),
    reportStats(context, container, intervalMs, signal),
  ]);
}

async function whenEnded(container: Container, signal: AbortSignal): Promise<void> {
  for (;;) {
    const main = mainProcess(container);
    if (main === undefined || !isAlive(main)) return;
    await sleep(LOOK_MS, signal);
  }
}

async function reportOom(context: Context, { id, record }: Container, signal: AbortSignal): Promise<void> {
  for await (const _ of oomKills(record.cgroupDirs, { signal }))
    context.write(`${JSON.stringify({ type: "oom", id })}\n`);
}

async function reportStats(
  context: Context,
  container: Container,
  intervalMs: number,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await sleep(timerMs(intervalMs), signal);
    if (signal.aborted) return;
    try {
      context.write(await statsLine(container));
    } catch (error) {
      // It ended while we looked.
      if (!isCategory(error, "not_found")) throw error;
    }
  }
}

/** Ends early, without an error, when the signal is given. */
async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  await pause(ms, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}
