import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomFrom } from "../../support/random.ts";
import { type Cut, DiskStates } from "./disk-states.ts";
import { logOf, type TestEntry } from "./testing.ts";
import { readWriteLog } from "./write-log.ts";

const FLUSH: TestEntry = { sector: 0, flags: 1 };
const sector = (at: number, letter: string, flags = 0): TestEntry => ({
  sector: at,
  bytes: Buffer.alloc(512, letter),
  flags,
});
const chance = (seed: number): (() => number) => {
  const next = randomFrom(seed);
  return () => next(1 << 20) / (1 << 20);
};

/** Disks of four sectors after the cuts: a letter for each. */
function disks(entries: readonly TestEntry[], cuts: readonly Cut[], random = chance(1)): string[] {
  const directory = mkdtempSync(join(tmpdir(), "disk-states-"));
  try {
    const [log, disk] = ["log", "disk"].map((name) => join(directory, name));
    if (log === undefined || disk === undefined) throw new Error("two names");
    writeFileSync(log, logOf(...entries));
    using states = new DiskStates(readWriteLog(log), log, join(directory, "flushed"), 2048);
    return cuts.map((cut) => {
      states.make(disk, cut, random);
      const bytes = readFileSync(disk);
      return [0, 512, 1024, 1536].map((at) => String.fromCharCode(bytes[at] || 0x2e)).join("");
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test("what was written before the last flush is there, whatever is lost", () => {
  const entries = [sector(0, "a"), sector(1, "b"), FLUSH, sector(2, "c")];
  expect(
    disks(entries, [
      { writes: 2, loses: "everything" },
      { writes: 2, loses: "nothing" },
      { writes: 3, loses: "everything" },
      { writes: 4, loses: "everything" },
      { writes: 4, loses: "nothing" },
    ]),
  ).toEqual(["....", "ab..", "ab..", "ab..", "abc."]);
});

test("an entry that flushes and writes flushes only what came before it", () => {
  const entries = [sector(0, "a"), sector(1, "b", 1)];
  expect(disks(entries, [{ writes: 2, loses: "everything" }])).toEqual(["a..."]);
});

test("a forced write is there, and what was written before it may be lost", () => {
  const entries = [sector(0, "a"), sector(1, "b", 2), sector(1, "c")];
  expect(disks(entries, [{ writes: 3, loses: "everything" }])).toEqual([".b.."]);
});

test("a later write is not undone by an earlier one of the same place", () => {
  const entries = [sector(0, "a"), sector(0, "b"), FLUSH, sector(0, "c"), sector(0, "d")];
  expect(
    disks(
      entries,
      [3, 5].map((writes) => ({ writes, loses: "nothing" })),
    ),
  ).toEqual(["b...", "d..."]);
});

test("a discard leaves zeroes, and can be lost", () => {
  const entries = [sector(0, "a"), sector(1, "b"), FLUSH, { sector: 0, sectors: 1, flags: 4 }];
  expect(
    disks(entries, [
      { writes: 4, loses: "everything" },
      { writes: 4, loses: "nothing" },
    ]),
  ).toEqual(["ab..", ".b.."]);
});

test("losing some finds every order of two writes, torn ones too, and nothing else", () => {
  const entries = [sector(3, "x"), FLUSH, { sector: 0, bytes: Buffer.alloc(1024, "a") }, sector(2, "b")];
  const cuts = Array.from({ length: 400 }, (): Cut => ({ writes: 4, loses: "some" }));
  const found = [...new Set(disks(entries, cuts))].toSorted();
  expect(found).toEqual(["...x", "..bx", ".a.x", ".abx", "a..x", "a.bx", "aa.x", "aabx"]);
});

test("a cut that is earlier than the one before is refused", () => {
  const cuts: Cut[] = [2, 1].map((writes) => ({ writes, loses: "nothing" }));
  expect(() => disks([sector(0, "a"), FLUSH], cuts)).toThrow("in the order of their moments");
});

test("a write behind the disk's end is refused", () => {
  expect(() => disks([sector(4, "a")], [{ writes: 1, loses: "nothing" }])).toThrow("behind the disk's end");
});
