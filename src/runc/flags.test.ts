import { describe, expect, test } from "bun:test";
import { type Flag, parseFlags } from "./flags.ts";

const TABLE: readonly Flag[] = [
  { names: ["detach", "d"], kind: "switch" },
  { names: ["bundle", "b"], kind: "text" },
  { names: ["env", "e"], kind: "list" },
  { names: ["preserve-fds"], kind: "integer" },
  { names: ["interval"], kind: "duration" },
  { names: ["no-pivot"], kind: "switch", refused: "because" },
];

const parse = (words: string, mixed = true) => parseFlags(words.split(" "), TABLE, mixed);

describe("parseFlags()", () => {
  test("one dash or two, value attached or next, short or long", () => {
    for (const words of ["-bundle /x c", "--bundle /x c", "-b=/x c", "--bundle=/x c", "--b /x c"]) {
      const { flags, args } = parse(words);
      expect(flags.text("bundle")).toBe("/x");
      expect(args).toEqual(["c"]);
    }
  });

  test("switches take no next word, and a value by = only", () => {
    expect(parse("-d c").flags.isOn("detach")).toBe(true);
    expect(parse("-d c").args).toEqual(["c"]);
    for (const no of ["false", "0", "F"]) {
      const { flags } = parse(`--detach=${no}`);
      expect([flags.isOn("detach"), flags.has("detach")]).toEqual([false, true]);
    }
    expect(() => parse("--detach=maybe")).toThrow('invalid boolean value "maybe" for -detach');
  });

  test("flags behind arguments count where arguments are not another command", () => {
    expect(parse("c --detach", true)).toMatchObject({ args: ["c"] });
    expect(parse("c --detach", true).flags.isOn("detach")).toBe(true);
    expect(parse("-d c ls -b x", false).args).toEqual(["c", "ls", "-b", "x"]);
  });

  test("-- ends the flags", () => {
    expect(parse("-d -- -b c").args).toEqual(["-b", "c"]);
    expect(parse("c -- -d").flags.has("detach")).toBe(false);
  });

  test("a lone dash is an argument", () => {
    expect(parse("- c").args).toEqual(["-", "c"]);
  });

  test("lists keep all values, text the last", () => {
    expect(parse("-e A=1 --env B=2").flags.list("env")).toEqual(["A=1", "B=2"]);
    expect(parse("-b x -b y").flags.text("bundle")).toBe("y");
  });

  test("integers as Go reads them", () => {
    const value = (text: string) => parse(`--preserve-fds ${text}`).flags.integer("preserve-fds");
    expect([value("3"), value("0x10"), value("010"), value("-2"), value("+4")]).toEqual([3, 16, 8, -2, 4]);
    for (const bad of ["x", "1.5", "", "99999999999999999999"])
      expect(() => parseFlags(["--preserve-fds", bad], TABLE, true)).toThrow("parse error");
  });

  test("durations in milliseconds", () => {
    expect(parse("--interval 1m30s").flags.duration("interval", 5)).toBe(90_000);
    expect(parse("c").flags.duration("interval", 5)).toBe(5);
    expect(() => parse("--interval 5")).toThrow("missing unit");
  });

  test.each([
    ["--nope c", "flag provided but not defined: -nope"],
    ["c --nope", "flag provided but not defined: -nope"],
    ["--bundle", "flag needs an argument: -bundle"],
    ["---bundle x", "bad flag syntax: ---bundle"],
    ["--=x", "bad flag syntax: --=x"],
    ["--no-pivot", "the flag --no-pivot is not supported: because"],
  ])("refuses %s", (words, message) => {
    expect(() => parse(words)).toThrow(message);
  });
});
