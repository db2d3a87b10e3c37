import { expect, test } from "bun:test";
import { cpuMask } from "./cpu-list.ts";

test.each([
  ["0", "01"],
  ["7", "80"],
  ["0-3,7", "8f"],
  ["8", "0001"],
  ["0,9-10, 3", "0906"],
  ["8191", `${"00".repeat(1023)}80`],
])("cpuMask(%j) is %s", (list, hex) => {
  expect(Buffer.from(cpuMask(list)).toString("hex")).toBe(hex);
});

test.each(["", ",", "0,", "3-1", "-1", "1-", "a", "0-8192", "99999999", "0x1", "1.5", "0-1-2"])(
  "cpuMask(%j) is refused",
  (list) => {
    expect(() => cpuMask(list)).toThrow("is not a list of CPUs");
  },
);
