import { expect, test } from "bun:test";
import { deriveStatus } from "./status.ts";

const yes = (): boolean => true;
const no = (): boolean => false;
const never = (): boolean => {
  throw new Error("not to be looked at");
};

test.each([
  ["creating", { mainIsAlive: undefined, creatorIsAlive: true, waitsForStart: never, isFrozen: never }],
  ["stopped", { mainIsAlive: undefined, creatorIsAlive: false, waitsForStart: never, isFrozen: never }],
  ["stopped", { mainIsAlive: false, creatorIsAlive: true, waitsForStart: never, isFrozen: never }],
  ["paused", { mainIsAlive: true, creatorIsAlive: true, waitsForStart: never, isFrozen: yes }],
  ["created", { mainIsAlive: true, creatorIsAlive: false, waitsForStart: yes, isFrozen: no }],
  ["running", { mainIsAlive: true, creatorIsAlive: false, waitsForStart: no, isFrozen: no }],
] as const)("%s", (status, seen) => {
  expect(deriveStatus(seen)).toBe(status);
});
