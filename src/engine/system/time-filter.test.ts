import { expect, test } from "bun:test";
import { formatTime } from "../containers/timestamp.ts";
import { parseTime } from "./time-filter.ts";

const NOW = 1_800_000_000_000_000_000n;

test("Unix seconds with a fraction are exact", () => {
  expect(parseTime("1795225640.342723345", NOW)).toBe(1_795_225_640_342_723_345n);
  expect(parseTime("0.5", NOW)).toBe(500_000_000n);
});

test("durations count back from now", () => {
  expect(parseTime("1h30m", NOW)).toBe(NOW - 5_400_000_000_000n);
  expect(parseTime("1.5s", NOW)).toBe(NOW - 1_500_000_000n);
  expect(parseTime("10ms", NOW)).toBe(NOW - 10_000_000n);
});

test("dates are understood, other texts refused", () => {
  expect(formatTime(parseTime("2026-11-21T01:47:20Z", NOW))).toBe("2026-11-21T01:47:20Z");
  for (const text of ["", "x", "-1", "1e9", "1h-5m", "2026-13-45", "NaN"])
    expect(() => parseTime(text, NOW), text).toThrow("failed to parse value as time or duration");
});

test("formatTime() cuts zeros as Go does, and has Go's zero time", () => {
  expect(formatTime(0n)).toBe("0001-01-01T00:00:00Z");
  expect(formatTime(1_795_225_640_338_940_210n)).toBe("2026-11-21T01:47:20.33894021Z");
  expect(formatTime(1_795_225_640_000_000_001n)).toBe("2026-11-21T01:47:20.000000001Z");
});
