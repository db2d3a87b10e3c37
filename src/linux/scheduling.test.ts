import { describe, expect, test } from "bun:test";
import type { Scheduler } from "../specs/oci-runtime/spec.ts";
import { ioprioValue, schedAttr } from "./scheduling.ts";

describe("schedAttr()", () => {
  test("has the kernel's numbers", () => {
    expect(schedAttr({ policy: "SCHED_BATCH", nice: -20, flags: ["SCHED_FLAG_RESET_ON_FORK"] })).toEqual({
      policy: 3,
      schedFlags: 1n,
      nice: -20,
      priority: 0,
      runtime: 0n,
      deadline: 0n,
      period: 0n,
    });
    expect(schedAttr({ policy: "SCHED_RR", priority: 99 })).toMatchObject({ policy: 2, priority: 99 });
    expect(
      schedAttr({
        policy: "SCHED_DEADLINE",
        runtime: 1024n,
        deadline: 2000n,
        flags: ["SCHED_FLAG_RECLAIM", "SCHED_FLAG_DL_OVERRUN"],
      }),
    ).toMatchObject({ policy: 6, schedFlags: 6n, period: 0n });
  });

  test.each<[Scheduler, string]>([
    [{ policy: "SCHED_FIFO" }, "priority 0 does not go with SCHED_FIFO"],
    [{ policy: "SCHED_OTHER", priority: 1 }, "priority 1 does not go with SCHED_OTHER"],
    [{ policy: "SCHED_IDLE", period: 1n }, "do not go with SCHED_IDLE"],
    [{ policy: "SCHED_DEADLINE", runtime: 1000n, deadline: 2000n }, "1024 <= runtime"],
    [{ policy: "SCHED_DEADLINE", runtime: 3000n, deadline: 2000n }, "runtime <= deadline"],
    [{ policy: "SCHED_DEADLINE", runtime: 2000n, deadline: 3000n, period: 2500n }, "deadline <= period"],
    [{ policy: "SCHED_OTHER", flags: ["RESET"] }, 'unknown scheduling flag "RESET"'],
    [{ policy: "SCHED_ISO" }, "Linux does not have"],
  ])("refuses %p", (scheduler, message) => {
    expect(() => schedAttr(scheduler)).toThrow(message);
  });
});

test("ioprioValue() puts the class above the priority", () => {
  expect(ioprioValue({ class: "IOPRIO_CLASS_RT", priority: 0 })).toBe(0x2000);
  expect(ioprioValue({ class: "IOPRIO_CLASS_IDLE", priority: 7 })).toBe(0x6007);
});
