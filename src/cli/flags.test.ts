import { describe, expect, test } from "bun:test";
import { FlagSet, parseInteger, parseUint16 } from "./flags.ts";

function make(options: { interspersed?: boolean } = {}) {
  const flags = new FlagSet(options);
  return {
    flags,
    detach: flags.bool("detach", false, "d", { short: "d" }),
    interactive: flags.bool("interactive", false, "i", { short: "i" }),
    tty: flags.bool("tty", false, "t", { short: "t" }),
    proxy: flags.bool("sig-proxy", true, "p"),
    name: flags.string("name", "", "n"),
    env: flags.list("env", "e", { short: "e" }),
    shares: flags.int("cpu-shares", 0, "c", { short: "c" }),
    network: flags.string("network", "", "net"),
  };
}

function messageOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return "no error";
}

describe("FlagSet.parse()", () => {
  const accepted: [string, string[], (f: ReturnType<typeof make>) => unknown, unknown][] = [
    ["takes a long flag's value from the next word", ["--name", "x"], (f) => f.name.value, "x"],
    ["takes a long flag's value after =", ["--name=a=b"], (f) => f.name.value, "a=b"],
    ["takes an empty value after =", ["--name="], (f) => [f.name.value, f.name.changed], ["", true]],
    [
      "takes the next word even when it looks like a flag",
      ["--name", "--detach"],
      (f) => f.name.value,
      "--detach",
    ],
    [
      "joins short bools",
      ["-dit"],
      (f) => [f.detach.value, f.interactive.value, f.tty.value],
      [true, true, true],
    ],
    ["takes a short flag's value from the same word", ["-eA=1"], (f) => f.env.value, ["A=1"]],
    ["takes a short flag's value after =", ["-e=A=1"], (f) => f.env.value, ["A=1"]],
    ["takes a short flag's value from the next word", ["-e", "A=1", "-eB"], (f) => f.env.value, ["A=1", "B"]],
    [
      "lets the last of joined shorts take a value",
      ["-ite", "A"],
      (f) => [f.tty.value, f.env.value],
      [true, ["A"]],
    ],
    [
      "sets a bool by its value",
      ["--sig-proxy=false", "-d=true"],
      (f) => [f.proxy.value, f.detach.value],
      [false, true],
    ],
    ["understands Go's integers", ["-c", "0x10"], (f) => f.shares.value, 16],
    ["leaves unset flags unchanged", [], (f) => [f.proxy.value, f.proxy.changed], [true, false]],
  ];
  for (const [name, words, read, expected] of accepted)
    test(name, () => {
      const made = make();
      made.flags.parse(words);
      expect(read(made)).toEqual(expected);
    });

  test("returns the other words, before and after flags", () => {
    expect(make().flags.parse(["a", "-d", "b", "--name", "x", "c"])).toEqual(["a", "b", "c"]);
  });

  test("stops at the first other word when not interspersed", () => {
    const { flags, tty } = make({ interspersed: false });
    expect(flags.parse(["-d", "image", "-t", "--", "x"])).toEqual(["image", "-t", "--", "x"]);
    expect(tty.value).toBe(false);
  });

  test("takes everything after -- as it is", () => {
    expect(make().flags.parse(["-d", "--", "-t", "--name"])).toEqual(["-t", "--name"]);
  });

  test("takes a lone - for a word", () => {
    expect(make().flags.parse(["-", "x"])).toEqual(["-", "x"]);
  });

  const refused: [string[], string][] = [
    [["--foo"], "unknown flag: --foo"],
    [["--foo=bar"], "unknown flag: --foo"],
    [["--netwrok", "x"], "unknown flag: --netwrok\nDid you mean --network?"],
    [["-qx"], "unknown shorthand flag: 'q' in -qx"],
    [["-itq4"], "unknown shorthand flag: 'q' in -q4"],
    [["--name"], "flag needs an argument: --name"],
    [["-e"], "flag needs an argument: 'e' in -e"],
    [["-te"], "flag needs an argument: 'e' in -e"],
    [["---x"], "bad flag syntax: ---x"],
    [["--=x"], "bad flag syntax: --=x"],
    [
      ["--detach=x"],
      'invalid argument "x" for "-d, --detach" flag: strconv.ParseBool: parsing "x": invalid syntax',
    ],
    [
      ["-c", "1e3"],
      'invalid argument "1e3" for "-c, --cpu-shares" flag: strconv.ParseInt: parsing "1e3": invalid syntax',
    ],
  ];
  for (const [words, message] of refused)
    test(`refuses ${words.join(" ")} in pflag's words`, () => {
      expect(messageOf(() => make().flags.parse(words))).toBe(message);
    });

  test("an alias sets the flag it stands for", () => {
    const { flags, network } = make();
    flags.alias("net", network);
    flags.parse(["--net", "none"]);
    expect(network.value).toBe("none");
  });

  test("flags named like members of objects are unknown", () => {
    for (const name of ["__proto__", "constructor", "toString"])
      expect(messageOf(() => make().flags.parse([`--${name}`]))).toBe(`unknown flag: --${name}`);
  });
});

describe("parseInteger()", () => {
  const values: [string, number][] = [
    ["0", 0],
    ["-5", -5],
    ["+7", 7],
    ["010", 8],
    ["0b11", 3],
    ["1_000", 1000],
    ["9007199254740991", 9007199254740991],
  ];
  for (const [text, value] of values)
    test(`reads ${text}`, () => {
      expect(parseInteger(text)).toBe(value);
    });

  for (const text of ["", " 7", "7 ", "0x", "1__0", "09", "1.5", "9007199254740992", "99999999999999999999"])
    test(`refuses ${JSON.stringify(text)}`, () => {
      expect(() => parseInteger(text)).toThrow(
        /^strconv\.ParseInt: parsing ".*": (invalid syntax|value out of range)$/,
      );
    });

  test("parseUint16() refuses what does not fit", () => {
    expect(() => parseUint16("65536")).toThrow('strconv.ParseUint: parsing "65536": value out of range');
    expect(() => parseUint16("-1")).toThrow('strconv.ParseUint: parsing "-1": invalid syntax');
  });
});
