import { expect, test } from "bun:test";
import { allowedAt, contradiction, momentOf, type Step } from "./timeline.ts";

const step = (
  name: string,
  startsAt: number,
  endsAt: number,
  ...changes: (readonly [string, (string | undefined)?])[]
): Step => ({
  name,
  startsAt,
  endsAt,
  changes: new Map(changes.map(([key, value]) => [key, value])),
});
const steps = [
  step("load", 10, 20, ["a", "1"], ["b", "2"]),
  step("remove", 30, 40, ["a", undefined]),
  step("pull", 32, 36, ["c", "3"]),
];

test("what was done must be there, what is being done may be", () => {
  const at = (position: number): object =>
    Object.fromEntries(Array.from(allowedAt(steps, position), ([name, values]) => [name, [...values]]));
  const none = [undefined];
  expect(at(10)).toEqual({ a: none, b: none, c: none });
  expect(at(11)).toEqual({ a: [undefined, "1"], b: [undefined, "2"], c: none });
  expect(at(20)).toEqual({ a: ["1"], b: ["2"], c: none });
  expect(at(34)).toEqual({ a: ["1", undefined], b: ["2"], c: [undefined, "3"] });
  expect(at(38)).toEqual({ a: ["1", undefined], b: ["2"], c: ["3"] });
  expect(at(40)).toEqual({ a: none, b: ["2"], c: ["3"] });
});

test("what is missing, changed, back again or from nowhere is named", () => {
  const found = (entries: Record<string, string>, position: number): string | undefined =>
    contradiction(allowedAt(steps, position), new Map(Object.entries(entries)));
  expect(found({ a: "1", b: "2" }, 20)).toBeUndefined();
  expect(found({ b: "2" }, 20)).toBe("a is nothing instead of 1");
  expect(found({ a: "9", b: "2" }, 34)).toBe("a is 9 instead of 1 or nothing");
  expect(found({ a: "1", b: "2", c: "3" }, 40)).toBe("a is 1 instead of nothing");
  expect(found({ b: "2", c: "3", d: "4" }, 40)).toBe("d comes from nowhere");
});

test("a moment is told by what goes on, or by what was done last", () => {
  expect(momentOf(steps, 5)).toBe("before anything");
  expect(momentOf(steps, 15)).toBe('during "load"');
  expect(momentOf(steps, 25)).toBe('after "load"');
  expect(momentOf(steps, 34)).toBe('during "remove" and "pull"');
});
