import { expect, test } from "bun:test";
import type { RestartPolicy } from "../../specs/engine/container.ts";
import { type EndedRun, nextRestart } from "./restart-policy.ts";

const RUN: EndedRun = {
  exitCode: 1,
  ranMs: 5,
  isCancelled: false,
  stoppedByUser: false,
  restartCount: 0,
  delayMs: 0,
};
const policy = (Name: RestartPolicy["Name"], MaximumRetryCount = 0): RestartPolicy => ({
  Name,
  MaximumRetryCount,
});

test("nextRestart() never for no", () => {
  expect(nextRestart(policy("no"), RUN)).toBeUndefined();
});

test("nextRestart() begins with 100 ms, doubles, and stops growing at a minute", () => {
  let delayMs = 0;
  const delays: (number | undefined)[] = [];
  for (let i = 0; i < 12; i++) {
    delayMs = nextRestart(policy("always"), { ...RUN, delayMs }) ?? -1;
    delays.push(delayMs);
  }
  expect(delays).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000]);
});

test("nextRestart() begins anew after a run of ten seconds", () => {
  expect(nextRestart(policy("always"), { ...RUN, delayMs: 6400, ranMs: 10_000 })).toBe(100);
});

test("nextRestart() leaves alone what a user ended", () => {
  for (const name of ["always", "unless-stopped", "on-failure"] as const)
    expect(nextRestart(policy(name), { ...RUN, isCancelled: true, stoppedByUser: true })).toBeUndefined();
});

test("nextRestart() of what a user sent some other signal leaves alone only unless-stopped", () => {
  const run = { ...RUN, stoppedByUser: true };
  expect(nextRestart(policy("always"), run)).toBe(100);
  expect(nextRestart(policy("on-failure"), run)).toBe(100);
  expect(nextRestart(policy("unless-stopped"), run)).toBeUndefined();
});

test("nextRestart() on-failure needs a failure and counts attempts", () => {
  expect(nextRestart(policy("on-failure"), { ...RUN, exitCode: 0 })).toBeUndefined();
  expect(nextRestart(policy("on-failure"), { ...RUN, restartCount: 99 })).toBe(100);
  expect(nextRestart(policy("on-failure", 2), { ...RUN, restartCount: 1 })).toBe(100);
  expect(nextRestart(policy("on-failure", 2), { ...RUN, restartCount: 2 })).toBeUndefined();
});
