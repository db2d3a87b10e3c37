import { expect, test } from "bun:test";
import { CREATED } from "./record.ts";
import { humanDuration, statusText } from "./status-text.ts";

test("humanDuration() rounds as Docker does", () => {
  const s = 1000;
  const cases: readonly (readonly [number, string])[] = [
    [0, "Less than a second"],
    [1 * s, "1 second"],
    [59 * s, "59 seconds"],
    [60 * s, "About a minute"],
    [120 * s, "2 minutes"],
    [59 * 60 * s, "59 minutes"],
    [60 * 60 * s, "About an hour"],
    [2 * 3600 * s, "2 hours"],
    [48 * 3600 * s, "2 days"],
    [14 * 24 * 3600 * s, "2 weeks"],
    [60 * 24 * 3600 * s, "2 months"],
    [730 * 24 * 3600 * s, "2 years"],
  ];
  for (const [ms, text] of cases) expect(humanDuration(ms)).toBe(text);
});

test("statusText() per status", () => {
  const now = 10_000_000_000n;
  const at = { ...CREATED, startedNs: 5_000_000_000n, finishedNs: 7_000_000_000n, exitCode: 3 };
  expect(statusText(CREATED, now)).toBe("Created");
  expect(statusText({ ...at, status: "running" }, now)).toBe("Up 5 seconds");
  expect(statusText({ ...at, status: "paused" }, now)).toBe("Up 5 seconds (Paused)");
  expect(statusText({ ...at, status: "exited" }, now)).toBe("Exited (3) 3 seconds ago");
  expect(statusText({ ...at, status: "restarting" }, now)).toBe("Restarting (3) 3 seconds ago");
  expect(statusText({ ...at, status: "removing" }, now)).toBe("Removal In Progress");
});
