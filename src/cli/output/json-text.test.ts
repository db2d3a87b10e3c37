import { describe, expect, test } from "bun:test";
import { indentJson } from "./json-text.ts";

describe("indentJson()", () => {
  test("is what JSON.stringify() makes of it, whatever its blanks were", () => {
    const value = { a: [1, { b: '{[,:]}\\"' }, [], {}], "": null, c: { d: {} }, e: [[[]]], f: "é\n" };
    expect(indentJson(JSON.stringify(value))).toBe(JSON.stringify(value, null, 4));
    expect(indentJson(JSON.stringify(value, null, 2))).toBe(JSON.stringify(value, null, 4));
    for (const one of ["[]", "{}", "7", '"x"', "[\n]"]) expect(indentJson(one)).toBe(one.replace("\n", ""));
  });

  test("keeps digits and order", () => {
    expect(indentJson('{"2":12345678901234567890,"1":1.50}')).toBe(
      '{\n    "2": 12345678901234567890,\n    "1": 1.50\n}',
    );
  });

  test("begins at a level", () => {
    expect(indentJson("[1]", 1)).toBe("[\n        1\n    ]");
  });

  test("takes as long for each of many as for one", () => {
    const one = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`key${i}`, {}]));
    const many = Array.from({ length: 2000 }, () => one);
    expect(indentJson(JSON.stringify(many)) === JSON.stringify(many, null, 4)).toBe(true);
  });
});
