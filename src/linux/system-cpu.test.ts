import { expect, test } from "bun:test";
import { availableParallelism } from "node:os";
import { parseSystemCpu, readSystemCpu } from "./system-cpu.ts";

test("parseSystemCpu() adds up seven kinds of time and counts processors", () => {
  const text =
    "cpu  1 2 3 4 5 6 7 800 900 1000\ncpu0 1 0 0 0 0 0 0 0 0 0\ncpu1 0 2 0 0 0 0 0 0 0 0\nintr 5 cpu9 \n";
  expect(parseSystemCpu(text)).toEqual({ totalNs: 280_000_000n, online: 2 });
});

test("parseSystemCpu() refuses what tells of no processors", () => {
  for (const text of ["", "cpu  1 2 3\n", "cpu0 1 2 3 4 5 6 7\n"])
    expect(() => parseSystemCpu(text)).toThrow("does not tell of all processors");
});

test("readSystemCpu() rises with time", async () => {
  const before = readSystemCpu();
  expect(before.online).toBeGreaterThanOrEqual(availableParallelism());
  while (readSystemCpu().totalNs === before.totalNs) await Bun.sleep(5);
  expect(readSystemCpu().totalNs).toBeGreaterThan(before.totalNs);
});
