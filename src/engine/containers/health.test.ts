import { expect, test } from "bun:test";
import { decodeContainerConfig } from "../../specs/engine/container.decode.ts";
import type { ContainerConfig, HealthConfig } from "../../specs/engine/container.ts";
import { Fields } from "../../specs/engine/fields.decode.ts";
import {
  type Health,
  healthAfter,
  healthAtStart,
  healthComplaint,
  healthDocument,
  healthPlan,
  type HealthPlan,
  healthUnwatched,
  probeDelayMs,
  type ProbeResult,
} from "./health.ts";

function config(Healthcheck: object | null, more: object = {}): ContainerConfig {
  return decodeContainerConfig(new Fields({ Healthcheck, ...more }, ""));
}

function plan(Healthcheck: object = {}): HealthPlan {
  const found = healthPlan(config({ Test: ["CMD", "check"], ...Healthcheck }));
  if (found === undefined) throw new Error("no plan");
  return found;
}

const STARTING: Health = { status: "starting", failingStreak: 0, log: [], wasHealthy: false };
const result = (exitCode: number): ProbeResult => ({ startNs: 1n, endNs: 2n, exitCode, output: "" });

test("healthPlan() has Docker's defaults", () => {
  expect(plan()).toEqual({
    command: ["check"],
    intervalMs: 30_000,
    timeoutNs: 30e9,
    startPeriodMs: 0,
    startIntervalMs: 5000,
    retries: 3,
  });
});

test("healthPlan() of each form", () => {
  const command = (test: readonly string[] | null, more = {}) =>
    healthPlan(config({ Test: test }, more))?.command;
  expect(command(["CMD", "a", "b"])).toEqual(["a", "b"]);
  expect(command(["CMD-SHELL", "a || b", "x"])).toEqual(["/bin/sh", "-c", "a || b", "x"]);
  expect(command(["CMD-SHELL", "a"], { Shell: ["/bin/ash", "-ec"] })).toEqual(["/bin/ash", "-ec", "a"]);
  expect(command(["CMD-SHELL", "a"], { Shell: [] })).toEqual(["/bin/sh", "-c", "a"]);
  expect(command(["CMD"])).toEqual([]);
  for (const none of [["NONE"], ["NONE", "x"], [], [""], ["cmd", "x"], null])
    expect(command(none)).toBeUndefined();
  expect(healthPlan(config(null))).toBeUndefined();
});

test("healthPlan() does not take what an image may not say", () => {
  const odd = { Interval: 1, Timeout: -5, StartPeriod: -1, StartInterval: 999_999, Retries: -3 };
  expect(plan(odd)).toEqual(plan());
});

test("probeDelayMs() is the start interval only in the start period of one that was never well", () => {
  const timing = plan({ Interval: 10e9, StartPeriod: 20e9, StartInterval: 1e9 });
  expect(probeDelayMs(timing, "starting", 0)).toBe(1000);
  expect(probeDelayMs(timing, "starting", 19_999)).toBe(1000);
  expect(probeDelayMs(timing, "starting", 20_000)).toBe(10_000);
  expect(probeDelayMs(timing, "healthy", 0)).toBe(10_000);
  expect(probeDelayMs(plan(), "starting", 0)).toBe(30_000);
});

test("healthAfter() counts failures in a row until they are too many", () => {
  let health: Health = STARTING;
  const seen = [1, 1, 0, 2, -1, 137].map((exitCode) => {
    health = healthAfter(health, result(exitCode), plan({ Retries: 3 }), 0);
    return `${health.status} ${health.failingStreak}`;
  });
  expect(seen).toEqual(["starting 1", "starting 2", "healthy 0", "healthy 1", "healthy 2", "unhealthy 3"]);
  expect(health.log).toHaveLength(5);
  expect(health.log.map(({ exitCode }) => exitCode)).toEqual([1, 0, 2, -1, 137]);
});

test("healthAfter() forgives failures in the start period, but not of one that was well", () => {
  const timing = plan({ Retries: 1, StartPeriod: 10e9 });
  expect(healthAfter(STARTING, result(1), timing, 9999)).toMatchObject({
    status: "starting",
    failingStreak: 0,
  });
  expect(healthAfter(STARTING, result(1), timing, 10_000).status).toBe("unhealthy");
  const well = healthAfter(STARTING, result(0), timing, 10);
  expect(well).toMatchObject({ status: "healthy", wasHealthy: true });
  expect(healthAfter(well, result(1), timing, 20).status).toBe("unhealthy");
});

test("a start begins anew and keeps what was found; who is not watched is not well", () => {
  const checked = config({ Test: ["CMD", "check"] });
  const before: Health = { status: "healthy", failingStreak: 2, log: [result(0)], wasHealthy: true };
  expect(healthAtStart(checked, before)).toEqual({ ...STARTING, log: [result(0)] });
  expect(healthAtStart(checked, null)).toEqual(STARTING);
  expect(healthAtStart(config({ Test: ["NONE"] }), null)).toBeNull();
  expect(healthUnwatched(before)).toEqual({ ...before, status: "unhealthy" });
  expect(healthUnwatched(null)).toBeNull();
});

test("healthDocument() is Docker's", () => {
  const startNs = 1_795_906_753_493_797_425n;
  const log = [{ startNs, endNs: startNs + 99_317_907n, exitCode: 1, output: "out\nerr\n" }];
  expect(healthDocument({ status: "unhealthy", failingStreak: 2, log, wasHealthy: false })).toEqual({
    Status: "unhealthy",
    FailingStreak: 2,
    Log: [
      {
        Start: "2026-11-28T22:59:13.493797425Z",
        End: "2026-11-28T22:59:13.593115332Z",
        ExitCode: 1,
        Output: "out\nerr\n",
      },
    ],
  });
});

test("healthComplaint() in Docker's words", () => {
  const none: HealthConfig = {
    Test: null,
    Interval: 0,
    Timeout: 0,
    StartPeriod: 0,
    StartInterval: 0,
    Retries: 0,
  };
  expect(healthComplaint(none)).toBeUndefined();
  for (const key of ["Interval", "Timeout", "StartPeriod", "StartInterval"] as const) {
    expect(healthComplaint({ ...none, [key]: 1_000_000 })).toBeUndefined();
    for (const ns of [1, 999_999, -1])
      expect(healthComplaint({ ...none, [key]: ns })).toBe(`${key} in Healthcheck cannot be less than 1ms`);
  }
  expect(healthComplaint({ ...none, Retries: -1 })).toBe("Retries in Healthcheck cannot be negative");
});
