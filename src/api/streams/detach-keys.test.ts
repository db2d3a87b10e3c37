import { expect, test } from "bun:test";
import { DetachScanner, parseDetachKeys } from "./detach-keys.ts";

function scan(keys: string, ...chunks: string[]): { out: string; detached: boolean } {
  const scanner = new DetachScanner(parseDetachKeys(keys));
  let out = "";
  for (const chunk of chunks) {
    const { bytes, detached } = scanner.push(Buffer.from(chunk));
    out += bytes.toString();
    if (detached) return { out, detached };
  }
  return { out: out + scanner.rest().toString(), detached: false };
}

test("parseDetachKeys() defaults to ctrl-p ctrl-q", () => {
  expect([...parseDetachKeys("")]).toEqual([16, 17]);
});

test("parseDetachKeys() reads control keys and plain characters", () => {
  expect([...parseDetachKeys("ctrl-a,x,ctrl-@,ctrl-[,ctrl-_")]).toEqual([1, 120, 0, 27, 31]);
});

test("parseDetachKeys() refuses what is no key", () => {
  for (const text of ["ctrl-", "ctrl-A", "ab", "a,,b", "\n"])
    expect(() => parseDetachKeys(text)).toThrow("Invalid detach keys");
});

test("DetachScanner finds the sequence within one chunk and drops what follows", () => {
  expect(scan("ctrl-p,ctrl-q", "ab\x10\x11cd")).toEqual({ out: "ab", detached: true });
});

test("DetachScanner finds the sequence across chunks", () => {
  expect(scan("ctrl-p,ctrl-q", "a\x10", "\x11")).toEqual({ out: "a", detached: true });
});

test("DetachScanner passes a beginning on that turns out to be none", () => {
  expect(scan("ctrl-p,ctrl-q", "a\x10", "b\x10")).toEqual({ out: "a\x10b\x10", detached: false });
});

test("DetachScanner finds a sequence that begins inside a failed one", () => {
  expect(scan("a,a,b", "aaab")).toEqual({ out: "a", detached: true });
  expect(scan("a,b,a,c", "ababac")).toEqual({ out: "ab", detached: true });
});
