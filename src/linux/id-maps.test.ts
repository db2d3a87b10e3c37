import { describe, expect, test } from "bun:test";
import type { IdMapping } from "../specs/oci-runtime/spec.ts";
import { idMapText, isMapped } from "./id-maps.ts";

const map = (containerID: number, hostID: number, size: number): IdMapping => ({ containerID, hostID, size });

describe("idMapText()", () => {
  test("writes what /proc/PID/uid_map takes, in the document's order", () => {
    expect(idMapText([map(1, 100000, 65535), map(0, 1000, 1)])).toBe("1 100000 65535\n0 1000 1\n");
    expect(idMapText([map(0, 0, 0xffffffff)])).toBe("0 0 4294967295\n");
  });

  test.each<[string, IdMapping[], string]>([
    ["none", [], "no mapping"],
    ["an empty range", [map(0, 0, 0)], "is empty"],
    ["a range beyond the last host id", [map(0, 0xffffffff, 2)], "beyond the last id"],
    ["a range beyond the last container id", [map(0xffffffff, 0, 2)], "beyond the last id"],
    ["container ids twice", [map(0, 0, 10), map(9, 100, 1)], "containerID 9 is mapped twice"],
    ["host ids twice", [map(50, 109, 1), map(0, 100, 10)], "hostID 109 is mapped twice"],
    ["too many", Array.from({ length: 341 }, (_, n) => map(n, n, 1)), "more than the kernel's 340"],
    [
      "too much text",
      Array.from({ length: 340 }, (_, n) => map(1_000_000 + n * 2, 1_000_000 + n * 2, 1)),
      "more text",
    ],
  ])("refuses %s", (_, mappings, message) => {
    expect(() => idMapText(mappings)).toThrow(message);
  });

  test("takes ranges that touch", () => {
    expect(() => idMapText([map(0, 10, 10), map(10, 0, 10)])).not.toThrow();
  });
});

test("isMapped() knows both ends of a range", () => {
  const mappings = [map(5, 0, 5)];
  expect([4, 5, 9, 10].map((id) => isMapped(id, mappings))).toEqual([false, true, true, false]);
});
