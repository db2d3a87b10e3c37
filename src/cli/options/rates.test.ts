import { expect, test } from "bun:test";
import { parseRate } from "./rates.ts";

test("parseRate() takes tc's suffixes, as bits", () => {
  const rates: [string, number][] = [
    ["0", 0],
    ["1000", 1000],
    ["8bit", 8],
    ["500k", 500_000],
    ["10Mbit", 10_000_000],
    ["1.5g", 1_500_000_000],
    ["2tbit", 2_000_000_000_000],
    ["64kibit", 65_536],
    ["1.0001k", 1000],
  ];
  for (const [text, bits] of rates) expect(parseRate(text)).toBe(bits);
});

test("parseRate() refuses bytes, signs and what is out of reach", () => {
  for (const text of [
    "",
    "k",
    "-1",
    "+1",
    "1 m",
    "10mbps",
    "1kb",
    "1p",
    "1.",
    ".5m",
    "1e3",
    "0x10",
    "10000t",
  ])
    expect(() => parseRate(text)).toThrow(`invalid rate: '${text}': bits per second such as "500k"`);
});
