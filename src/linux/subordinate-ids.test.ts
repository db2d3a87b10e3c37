import { expect, test } from "bun:test";
import { freeRange, mappingOf, rangesOf } from "./subordinate-ids.ts";

const ALICE = { name: "alice", id: 1000 };

test("the ranges of a user are found by name and by number, in the file's order", () => {
  const text = "# made by hand\nbob:100000:65536\nalice:300000:10\n1000:200000:5\n\nalice2:1:1\n";
  expect(rangesOf(text, ALICE)).toEqual([
    { first: 300_000, count: 10 },
    { first: 200_000, count: 5 },
  ]);
  expect(rangesOf(text, { name: "carol", id: 7 })).toEqual([]);
});

test.each([
  ["alice:100000", "is not NAME:FIRST:COUNT"],
  ["alice:100000:", "is not NAME:FIRST:COUNT"],
  ["alice:100000:0", "is not NAME:FIRST:COUNT"],
  ["alice:-5:10", "is not NAME:FIRST:COUNT"],
  ["alice:0x10:10", "is not NAME:FIRST:COUNT"],
  ["alice:100000:65536:more", "is not NAME:FIRST:COUNT"],
  ["alice:4294967290:10", "is not NAME:FIRST:COUNT"],
  ["alice:0:65536", "would hand out the host's root"],
])("%s is refused", (line, words) => {
  expect(() => rangesOf(`bob:1:1\n${line}\n`, ALICE)).toThrow(words);
});

test("another user's broken line is his own business", () => {
  expect(rangesOf("bob:x:y\nalice:100000:1\n", ALICE)).toEqual([{ first: 100_000, count: 1 }]);
});

test("several ranges follow each other inside", () => {
  expect(
    mappingOf([
      { first: 300_000, count: 10 },
      { first: 200_000, count: 5 },
    ]),
  ).toEqual([
    { containerID: 0, hostID: 300_000, size: 10 },
    { containerID: 10, hostID: 200_000, size: 5 },
  ]);
});

test("ranges that overlap, and too many of them, are refused", () => {
  expect(() =>
    mappingOf([
      { first: 1000, count: 10 },
      { first: 1009, count: 1 },
    ]),
  ).toThrow("is mapped twice");
  expect(() => mappingOf(Array.from({ length: 341 }, (_, i) => ({ first: i + 1, count: 1 })))).toThrow("340");
});

test("a free range lies beyond all that overlap it", () => {
  expect(freeRange("", 100_000, 65_536)).toEqual({ first: 100_000, count: 65_536 });
  expect(freeRange("a:100000:65536\nb:200000:65536\n", 100_000, 65_536).first).toBe(265_536);
  expect(freeRange("b:165536:65536\na:100000:65536\n", 100_000, 65_536).first).toBe(231_072);
  expect(() => freeRange("a:100000:4294860000\n", 100_000, 65_536)).toThrow("no 65536 subordinate ids left");
});
