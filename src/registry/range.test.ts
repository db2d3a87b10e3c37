import { expect, test } from "bun:test";
import { chooseForm, parseAccept } from "./accept.ts";
import { nextLink, pageOf } from "./page.ts";
import { parseChunkSpan, receivedRange, wantedSpans } from "./range.ts";

test("parts that are wanted lie within the blob, whatever is asked", () => {
  const random = (n: number): number => Math.floor(Math.random() * n);
  for (let i = 0; i < 2000; i++) {
    const size = random(20);
    const specs = Array.from({ length: 1 + random(3) }, () => {
      const [a, b] = [random(25), random(25)];
      return [`${a}-${b}`, `${a}-`, `-${b}`][random(3)];
    });
    const wanted = wantedSpans(`bytes=${specs.join(",")}`, size);
    if (wanted.kind !== "parts") continue;
    let total = 0;
    for (const { start, end } of wanted.parts) {
      expect(start).toBeGreaterThanOrEqual(0);
      expect(end).toBeGreaterThanOrEqual(start);
      expect(end).toBeLessThan(size);
      total += end - start + 1;
    }
    expect(total).toBeLessThanOrEqual(size);
  }
});

test("an empty blob has no part", () => {
  for (const range of ["bytes=0-", "bytes=0-0", "bytes=-1"])
    expect(wantedSpans(range, 0)).toEqual({ kind: "unsatisfiable" });
  expect(wantedSpans(undefined, 0)).toEqual({ kind: "whole" });
});

test("a part that lies outside is left out when another lies inside", () => {
  expect(wantedSpans("bytes=1-2,50-60", 10)).toEqual({ kind: "parts", parts: [{ start: 1, end: 2 }] });
});

test("chunks say where they belong in the specification's notation alone", () => {
  expect(parseChunkSpan("0-0")).toEqual({ start: 0, end: 0 });
  expect(parseChunkSpan("10-1023")).toEqual({ start: 10, end: 1023 });
  for (const text of [
    "",
    "-",
    "1",
    "1-",
    "-1",
    "2-1",
    "bytes 0-1/2",
    "0-1/2",
    " 0-1",
    "0x0-1",
    "1e3-2e3",
    "9".repeat(16) + "-1",
  ])
    expect(parseChunkSpan(text)).toBeUndefined();
  expect([receivedRange(0), receivedRange(1), receivedRange(1024)]).toEqual(["0-0", "0-0", "0-1023"]);
});

test("pages", () => {
  const rule = { usual: 100, most: 1000 };
  const page = (query: string) => pageOf(new URLSearchParams(query), rule);
  expect(page("")).toEqual({ limit: 100, after: "" });
  expect(page("n=5&last=x")).toEqual({ limit: 5, after: "x" });
  expect(page("n=5000")).toEqual({ limit: 1000, after: "" });
  for (const n of ["-1", "a", "1.5", "+1", "%201", "0x5"])
    expect(() => page(`n=${n}`)).toThrow("invalid number");
  expect(nextLink("/v2/a/tags/list", { limit: 2, last: "a&b=c d" })).toBe(
    '</v2/a/tags/list?last=a%26b%3Dc+d&n=2>; rel="next"',
  );
});

test("what a client accepts", () => {
  expect(parseAccept(undefined)).toBeUndefined();
  expect(parseAccept(" ")).toBeUndefined();
  expect(parseAccept("a/b, */*;q=0.1")).toBeUndefined();
  expect(parseAccept("A/B;q=0, c/d ,,")).toEqual(new Set(["a/b", "c/d"]));
  expect(chooseForm("a/b", new Set(["c/d"]))).toBe("refuse");
  expect(chooseForm("a/b", undefined)).toBe("as is");
});
