import { describe, expect, test } from "bun:test";
import { checkContainerId } from "./container-id.ts";
import { parseSignal } from "./signals.ts";
import { parseSubCgroups } from "./sub-cgroups.ts";
import { table } from "./table.ts";
import { linesOf } from "./host-ps.ts";

describe("checkContainerId()", () => {
  test.each(["a", "A-b_c+d.e", "0", "...", ".x", "x".repeat(255)])("takes %s", (id) => {
    expect(checkContainerId(id)).toBe(id);
  });
  test.each(["a/b", ".", "..", "~new-1-2", "a b", "ä", "a\n", "x".repeat(256), "../x", "a\0b"])(
    "refuses %j",
    (id) => {
      expect(() => checkContainerId(id)).toThrow("invalid container ID format");
    },
  );
  test("an empty one has words of its own", () => {
    expect(() => checkContainerId("")).toThrow("container id cannot be empty");
  });
});

describe("parseSignal()", () => {
  test.each([
    ["9", 9],
    ["KILL", 9],
    ["SIGKILL", 9],
    ["sigterm", 15],
    ["0", 0],
    ["CHLD", 17],
    ["SYS", 31],
    ["IOT", 6],
    ["RTMIN", 34],
    ["SIGRTMIN+3", 37],
    ["RTMAX-1", 63],
    ["64", 64],
  ])("%s is %d", (text, number) => {
    expect(parseSignal(text)).toBe(number);
  });
  test.each(["", "65", "-1", "KILLER", "RTMAX+1", "RTMIN-1", "SIG", "9x"])("refuses %j", (text) => {
    expect(() => parseSignal(text)).toThrow("unknown signal");
  });
});

describe("parseSubCgroups()", () => {
  test("controllers by name, the others by nothing", () => {
    expect([...parseSubCgroups(["a/b", "cpu,memory:c"])]).toEqual([
      ["", "a/b"],
      ["cpu", "c"],
      ["memory", "c"],
    ]);
  });
  test("refuses one that is named twice", () => {
    expect(() => parseSubCgroups(["cpu:a", "cpu:b"])).toThrow("named twice");
  });
});

test("table() has runc's columns", () => {
  expect(
    table([
      ["ID", "PID", "END"],
      ["a", "1", "x"],
      ["a-long-identifier", "22", ""],
    ]),
  ).toBe(
    "ID                  PID         END\n" +
      "a                   1           x\n" +
      "a-long-identifier   22          \n",
  );
});

describe("linesOf()", () => {
  test("keeps the header and the lines of these processes", () => {
    const output = "  PID TTY\n    1 ?\n   12 pts/0\n  212 ?\n";
    expect(linesOf(output, [12])).toBe("  PID TTY\n   12 pts/0\n");
  });
  test("without a PID column nobody can be found", () => {
    expect(() => linesOf("TTY\n?\n", [1])).toThrow("couldn't find PID field");
  });
});
