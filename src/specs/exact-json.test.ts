import { describe, expect, test } from "bun:test";
import { parseExactJson } from "./exact-json.ts";

describe("parseExactJson()", () => {
  test("keeps every digit of integers that a double cannot hold", () => {
    expect(parseExactJson('{"a":[9007199254740993,-9223372036854775808,1,1.5]}')).toEqual({
      a: [9007199254740993n, -9223372036854775808n, 1, 1.5],
    });
    expect(parseExactJson('"9007199254740993"')).toBe("9007199254740993");
  });

  test("leaves what is no integer of 64 bits a double", () => {
    expect(parseExactJson("[1e300,123456789012345678901]")).toEqual([1e300, 123456789012345680000]);
  });

  test.each(["[", "{"])("takes 200 levels of %s and not one more", (bracket) => {
    const nested = (levels: number): string =>
      bracket === "["
        ? "[".repeat(levels) + "]".repeat(levels)
        : `${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`;
    expect(() => parseExactJson(nested(200))).not.toThrow();
    expect(() => parseExactJson(nested(201))).toThrow("more than 200 levels");
    expect(() => parseExactJson(`[${nested(100_000)},9007199254740993]`)).toThrow("more than 200 levels");
  });

  test.each(["", "{", "[1,]", "01", "nul", "{}{}", '"\u0000"'])("refuses %j", (text) => {
    expect(() => parseExactJson(text)).toThrow("invalid JSON");
  });
});
