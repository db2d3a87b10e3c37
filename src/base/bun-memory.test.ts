import { expect, test } from "bun:test";
import { keptMemory } from "./bun-memory.ts";

test("garbage does not count, and what is kept does", () => {
  const before = keptMemory().heapUsed;
  let held: number[][] | undefined = Array.from({ length: 1000 }, () =>
    Array.from({ length: 2000 }, () => 0.5),
  );
  expect(held).toHaveLength(1000);
  expect(keptMemory().heapUsed - before).toBeGreaterThan(8 << 20);
  held = undefined;
  expect(keptMemory().heapUsed - before).toBeLessThan(8 << 20);
});
