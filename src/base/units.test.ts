import { describe, expect, test } from "bun:test";
import { durationError, durationInWords, formatDuration, parseDuration } from "./duration.ts";
import { formatBinarySize, formatDecimalSize, parseBinarySize } from "./units.ts";

describe("parseBinarySize()", () => {
  const sizes: [string, number | undefined][] = [
    ["0", 0],
    ["1", 1],
    ["64m", 67108864],
    ["1.5g", 1610612736],
    ["10KB", 10240],
    ["10 MiB", 10485760],
    ["5b", 5],
    ["0.5", 0],
    ["", undefined],
    ["-5", undefined],
    ["10x", undefined],
    ["1e3", undefined],
    ["5bb", undefined],
    [" 5m", undefined],
    ["9999999p", undefined],
  ];
  for (const [text, bytes] of sizes)
    test(`"${text}" is ${bytes ?? "refused"}`, () => {
      expect(parseBinarySize(text)).toBe(bytes);
    });
});

describe("formatDecimalSize()", () => {
  const shown: [number, number, string][] = [
    [0, 3, "0B"],
    [999, 3, "999B"],
    [1000, 3, "1kB"],
    [2026481, 3, "2.03MB"],
    [2026481, 4, "2.026MB"],
    [123456789, 4, "123.5MB"],
    [999999, 3, "1e+03kB"],
  ];
  for (const [bytes, digits, text] of shown)
    test(`${bytes} with ${digits} digits is ${text}`, () => {
      expect(formatDecimalSize(bytes, digits)).toBe(text);
    });

  test("formatBinarySize() counts in 1024s", () => {
    expect(formatBinarySize(25329950720)).toBe("23.59GiB");
  });
});

describe("durations", () => {
  const read: [string, number | undefined][] = [
    ["0", 0],
    ["5s", 5e9],
    ["1h30m", 5400e9],
    ["100ms", 1e8],
    ["1.5s", 1.5e9],
    ["-1s", -1e9],
    ["1us", 1000],
    ["", undefined],
    ["5", undefined],
    ["s", undefined],
    ["1d", undefined],
    ["999999999h", undefined],
  ];
  for (const [text, nanoseconds] of read)
    test(`parseDuration("${text}") is ${nanoseconds ?? "refused"}`, () => {
      expect(parseDuration(text)).toBe(nanoseconds);
    });

  const errors: [string, string][] = [
    ["x", 'time: invalid duration "x"'],
    ["5", 'time: missing unit in duration "5"'],
    ["1d", 'time: unknown unit "d" in duration "1d"'],
    ["1h5y", 'time: unknown unit "y" in duration "1h5y"'],
  ];
  for (const [text, message] of errors)
    test(`durationError("${text}") speaks as Go does`, () => {
      expect(durationError(text)).toBe(message);
    });

  const words: [number, string][] = [
    [0.4, "Less than a second"],
    [1, "1 second"],
    [59, "59 seconds"],
    [60, "About a minute"],
    [119, "About a minute"],
    [120, "2 minutes"],
    [3599, "59 minutes"],
    [3600, "About an hour"],
    [7200, "2 hours"],
    [47 * 3600, "47 hours"],
    [48 * 3600, "2 days"],
    [14 * 86400, "2 weeks"],
    [60 * 86400, "2 months"],
    [800 * 86400, "2 years"],
  ];
  for (const [seconds, text] of words)
    test(`${seconds} seconds are "${text}"`, () => {
      expect(durationInWords(seconds)).toBe(text);
    });
});

test("formatDuration() is Go's", () => {
  const cases: readonly (readonly [number, string])[] = [
    [0, "0s"],
    [1, "1ns"],
    [1500, "1.5µs"],
    [700e6, "700ms"],
    [1_000_001, "1.000001ms"],
    [30e9, "30s"],
    [1_500_000_000, "1.5s"],
    [60e9, "1m0s"],
    [90_250_000_000, "1m30.25s"],
    [3600e9, "1h0m0s"],
    [-5e9, "-5s"],
  ];
  for (const [ns, text] of cases) expect(formatDuration(ns)).toBe(text);
});
