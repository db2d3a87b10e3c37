import { expect, test } from "bun:test";
import { randomFrom } from "../../support/random.ts";
import { chosen, pointsOf } from "./points.ts";
import type { LoggedWrite } from "./write-log.ts";

const write = (endsAt: number, flushes = false): LoggedWrite => ({
  endsAt,
  flushes,
  isForced: false,
  offset: 0,
  length: 512,
  bytesAt: 0,
});
const WRITES = [write(10, true), write(20), write(30, true), write(40), write(50), write(60, true)];
const next = randomFrom(7);
const random = (): number => next(1 << 20) / (1 << 20);

test("there is one for every flush of that time, one for every answer, and others by chance, in order", () => {
  const step = { name: "load", startsAt: 22, endsAt: 45, changes: new Map() };
  const points = pointsOf(WRITES, { startsAt: 20, endsAt: 55 }, [step], random);
  const those = (loses: string): object[] => points.filter((point) => point.loses === loses);
  expect(those("nothing")).toEqual([{ writes: 3, loses: "nothing", position: 30 }]);
  expect(those("everything")).toEqual([{ writes: 4, loses: "everything", position: 45 }]);
  expect(those("some")).toHaveLength(200);
  const counts = points.map(({ writes }) => writes);
  expect(counts).toEqual(counts.toSorted((a, b) => a - b));
  expect(new Set(counts)).toEqual(new Set([2, 3, 4, 5]));
});

test("a choice keeps the order and is never more than there is", () => {
  const all = [1, 2, 3, 4, 5, 6, 7, 8];
  const some = chosen(all, 3, random);
  expect(some).toHaveLength(3);
  expect(some).toEqual(some.toSorted((a, b) => a - b));
  expect(chosen(all, 100, random)).toEqual(all);
});
