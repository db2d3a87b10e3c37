import { expect, test } from "bun:test";
import { shutdownPatienceMs } from "./shut-down.ts";

test("containers have as long as was said, or as the most patient of them needs", () => {
  expect(shutdownPatienceMs(15, [])).toBe(15_000);
  expect(shutdownPatienceMs(15, [10, 1])).toBe(15_000);
  expect(shutdownPatienceMs(1, [10])).toBe(15_000);
  expect(shutdownPatienceMs(15, [1, 60])).toBe(65_000);
});

test("below 0 is no limit", () => {
  expect(shutdownPatienceMs(-1, [1])).toBeUndefined();
  expect(shutdownPatienceMs(15, [1, -1])).toBeUndefined();
});
