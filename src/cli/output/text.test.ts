import { expect, test } from "bun:test";
import { goTime } from "./text.ts";

for (const [given, shown] of [
  ["2026-11-21T01:47:00Z", "2026-11-21 01:47:00 +0000 UTC"],
  ["2026-11-21T01:47:00.120000000Z", "2026-11-21 01:47:00.12 +0000 UTC"],
  ["2026-11-21T01:47:00.000000001Z", "2026-11-21 01:47:00.000000001 +0000 UTC"],
  ["2026-11-21T01:47:00.5+13:45", "2026-11-21 01:47:00.5 +1345 +1345"],
  ["0001-01-01T00:00:00Z", "0001-01-01 00:00:00 +0000 UTC"],
  ["no moment", "no moment"],
])
  test(`goTime() shows ${given} as ${shown}`, () => expect(goTime(given ?? "")).toBe(shown ?? ""));
