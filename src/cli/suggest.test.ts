import { expect, test } from "bun:test";
import { nearest } from "./suggest.ts";

const CASES: [string, string[], string | undefined][] = [
  ["netwrok", ["network", "name"], "network"],
  ["ru", ["rm", "run", "top"], "run"],
  ["interactiv", ["interactive", "init"], "interactive"],
  ["memory-sw", ["memory", "memory-swappiness"], "memory-swappiness"],
  ["xyzzy", ["run", "rm"], undefined],
  ["", ["run"], undefined],
];
for (const [word, candidates, expected] of CASES)
  test(`nearest() to "${word}" among ${candidates.join(", ")} is ${expected ?? "nothing"}`, () => {
    expect(nearest(word, candidates)).toBe(expected);
  });
