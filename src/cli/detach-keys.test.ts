import { describe, expect, test } from "bun:test";
import { DEFAULT_DETACH_KEYS, DetachFilter, parseDetachKeys } from "./detach-keys.ts";

describe("parseDetachKeys()", () => {
  const sequences: [string, readonly number[] | undefined][] = [
    ["", DEFAULT_DETACH_KEYS],
    ["ctrl-p,ctrl-q", [16, 17]],
    ["ctrl-a,b", [1, 98]],
    ["ctrl-@,ctrl-_", [0, 31]],
    ["foo", undefined],
    ["ctrl-1", undefined],
  ];
  for (const [text, bytes] of sequences)
    test(`"${text}" is ${bytes?.join(" ") ?? "refused"}`, () => {
      expect(parseDetachKeys(text)).toEqual(bytes);
    });
});

describe("DetachFilter", () => {
  function feed(...chunks: string[]): string {
    const filter = new DetachFilter([16, 17]);
    return chunks
      .map((chunk) => {
        const { pass, detached } = filter.feed(Buffer.from(chunk));
        return Buffer.from(pass).toString() + (detached ? "!" : "");
      })
      .join("|");
  }

  const typed: [string, string[], string][] = [
    ["passes other keys on", ["ab", "c"], "ab|c"],
    ["detaches on the sequence, also across chunks", ["a\x10", "\x11"], "a|!"],
    ["passes a begun sequence on when it is not finished", ["\x10", "x"], "|\x10x"],
    ["begins anew with a repeated first key", ["\x10\x10\x11"], "\x10!"],
    ["ignores the second key alone", ["\x11"], "\x11"],
  ];
  for (const [name, chunks, expected] of typed)
    test(name, () => {
      expect(feed(...chunks)).toBe(expected);
    });
});
