/**
 * What containers use, measured for whoever looks. Nothing is measured while nobody does, and everybody who watches one container
 * is shown the same measurements.
 *
 * On crash: nothing is kept; a daemon that starts knows of no earlier measurement.
 */
import type { CgroupSample } from "../../linux/cgroup-use.ts";
import type { LinkCounters } from "../../linux/netlink/link-counters.ts";
import type { SystemCpu } from "../../linux/system-cpu.ts";

export interface Sample {
  /** Unix nanoseconds. */
  readonly takenNs: bigint;
  readonly use: CgroupSample;
  readonly system: SystemCpu;
  /** By the names that its links have inside. */
  readonly links: ReadonlyMap<string, LinkCounters>;
}

/** What of a sample a rate is reckoned from. */
export type Earlier = Pick<Sample, "takenNs" | "system"> & { readonly use: Pick<CgroupSample, "cpu"> };

export interface Subject {
  readonly id: string;
  /** Its present run, by identity: counters of another one are not compared with those of this. Undefined: nothing runs. */
  readonly run: object | undefined;
  /** Undefined when nothing runs (any more). */
  measure(): Promise<Sample | undefined>;
}

export interface Reading {
  readonly now: Sample | undefined;
  /** Of the same run. */
  readonly before: Earlier | undefined;
}

export interface Stats {
  /**
   * One reading to reckon rates from. `before` is the last sample that somebody was shown, if it is not older than some seconds;
   * else another one is taken first, a short while before. `system` in it is what the clock says has gone by since: the kernel
   * counts that in hundredths of a second, too coarse for so short a while.
   */
  compare(subject: Subject): Promise<Reading>;
  /**
   * A reading at once, which has no `before`, and another each second, also when nothing runs, until `signal` is aborted. Who is
   * slow is shown the newest, and none twice; `before` is always the one that he was shown before. Throws what `measure` throws.
   */
  follow(subject: Subject, signal: AbortSignal): AsyncIterable<Reading>;
}
