/** CPU and I/O scheduling of a process as numbers. sched_setattr(2), ioprio_set(2), linux/sched.h */
import { fail } from "../base/errors.ts";
import type { IoPriority, Scheduler, SchedulerPolicy } from "../specs/oci-runtime/spec.ts";

/** SCHED_ISO has a number, but no kernel ever had the policy. */
const POLICIES: Readonly<Record<SchedulerPolicy, number>> = {
  SCHED_OTHER: 0,
  SCHED_FIFO: 1,
  SCHED_RR: 2,
  SCHED_BATCH: 3,
  SCHED_ISO: 4,
  SCHED_IDLE: 5,
  SCHED_DEADLINE: 6,
};

const FLAGS: ReadonlyMap<string, bigint> = new Map([
  ["SCHED_FLAG_RESET_ON_FORK", 0x01n],
  ["SCHED_FLAG_RECLAIM", 0x02n],
  ["SCHED_FLAG_DL_OVERRUN", 0x04n],
  ["SCHED_FLAG_KEEP_POLICY", 0x08n],
  ["SCHED_FLAG_KEEP_PARAMS", 0x10n],
  ["SCHED_FLAG_UTIL_CLAMP_MIN", 0x20n],
  ["SCHED_FLAG_UTIL_CLAMP_MAX", 0x40n],
]);

export interface SchedAttr {
  readonly policy: number;
  readonly schedFlags: bigint;
  readonly nice: number;
  readonly priority: number;
  readonly runtime: bigint;
  readonly deadline: bigint;
  readonly period: bigint;
}

/** Throws `invalid_argument` for what belongs to another policy or contradicts itself, `not_implemented` for SCHED_ISO. */
export function schedAttr(scheduler: Scheduler): SchedAttr {
  const { policy, nice = 0, priority = 0, flags = [], runtime = 0n, deadline = 0n, period = 0n } = scheduler;
  if (policy === "SCHED_ISO") throw fail("not_implemented", "SCHED_ISO is a policy that Linux does not have");
  const isRealtime = policy === "SCHED_FIFO" || policy === "SCHED_RR";
  if (isRealtime !== priority > 0)
    throw fail(
      "invalid_argument",
      `priority ${priority} does not go with ${policy}: 1 to 99 for FIFO and RR`,
    );
  checkDeadline(policy, runtime, deadline, period);
  return {
    policy: POLICIES[policy],
    schedFlags: flags.reduce((sum, flag) => sum | flagBit(flag), 0n),
    nice,
    priority,
    runtime,
    deadline,
    period,
  };
}

/** The kernel's __checkparam_dl: runtime <= deadline <= period, a period of 0 being the deadline. */
function checkDeadline(policy: SchedulerPolicy, runtime: bigint, deadline: bigint, period: bigint): void {
  if (policy !== "SCHED_DEADLINE") {
    if (runtime !== 0n || deadline !== 0n || period !== 0n)
      throw fail("invalid_argument", `runtime, deadline and period do not go with ${policy}`);
    return;
  }
  if (runtime < 1024n || runtime > deadline || (period !== 0n && deadline > period) || period >> 63n !== 0n)
    throw fail("invalid_argument", "SCHED_DEADLINE wants 1024 <= runtime <= deadline <= period");
}

function flagBit(flag: string): bigint {
  const bit = FLAGS.get(flag);
  if (bit === undefined)
    throw fail("invalid_argument", `unknown scheduling flag ${JSON.stringify(flag.slice(0, 100))}`);
  return bit;
}

const IO_CLASSES = { IOPRIO_CLASS_RT: 1, IOPRIO_CLASS_BE: 2, IOPRIO_CLASS_IDLE: 3 } as const;

/** IOPRIO_PRIO_VALUE: the class above 13 bits of priority. */
export function ioprioValue({ class: name, priority }: IoPriority): number {
  return (IO_CLASSES[name] << 13) | priority;
}
