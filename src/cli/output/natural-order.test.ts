import { expect, test } from "bun:test";
import { compareNatural } from "./natural-order.ts";

test("compareNatural() orders numbers by value, digits before all else, and a beginning before what goes on", () => {
  const ordered = [
    "",
    "1",
    "01",
    "2",
    "2a",
    "10",
    "Zed",
    "a",
    "a1b",
    "a01b",
    "a2",
    "a10",
    "a10b",
    "ab",
    "é",
    "😀",
  ];
  for (const [at, text] of ordered.entries())
    for (const [other, than] of ordered.entries())
      expect([text, than, Math.sign(compareNatural(text, than))]).toEqual([
        text,
        than,
        Math.sign(at - other),
      ]);
});
