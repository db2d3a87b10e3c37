/** What all processors together have done. proc_stat(5) */
import { fail } from "../base/errors.ts";
import { readKernelFile } from "./kernel-file.ts";

export interface SystemCpu {
  /** Time of all processors since the host began, idle time, too: a second of two processors is two seconds. */
  readonly totalNs: bigint;
  readonly online: number;
}

/** USER_HZ is 100 for every architecture. */
const NS_PER_TICK = 10_000_000n;
/** user nice system idle iowait irq softirq; as Docker, without what a hypervisor took (steal). */
const COUNTED = 7;
/** Interrupts are a line of a number for each. */
const MAX_BYTES = 1 << 20;

export function readSystemCpu(): SystemCpu {
  return parseSystemCpu(readKernelFile("/proc/stat", MAX_BYTES) ?? "");
}

export function parseSystemCpu(text: string): SystemCpu {
  const [, total] = /^cpu +([\d ]+)$/m.exec(text) ?? [];
  const ticks = total?.trim().split(/ +/).slice(0, COUNTED) ?? [];
  if (ticks.length < COUNTED) throw fail("internal", "/proc/stat does not tell of all processors");
  return {
    totalNs: ticks.reduce((sum, word) => sum + BigInt(word), 0n) * NS_PER_TICK,
    online: text.match(/^cpu\d+ /gm)?.length ?? 0,
  };
}
