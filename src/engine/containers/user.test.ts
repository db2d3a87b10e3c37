import { describe, expect, test } from "bun:test";
import { parseGroup, parseUser } from "./user.ts";

const none = { kind: "none" } as const;
const number = (id: number): { kind: "number"; id: number } => ({ kind: "number", id });
const name = (text: string): { kind: "name"; name: string } => ({ kind: "name", name: text });

describe("parseUser()", () => {
  test.each<[string, ReturnType<typeof parseUser>]>([
    ["", { user: none, group: none }],
    ["0", { user: number(0), group: none }],
    ["1000", { user: number(1000), group: none }],
    ["2147483647:1", { user: number(2147483647), group: number(1) }],
    ["www-data", { user: name("www-data"), group: none }],
    ["root:video", { user: name("root"), group: name("video") }],
    ["_apt:65534", { user: name("_apt"), group: number(65534) }],
    ["1:", { user: number(1), group: none }],
    [":1", { user: none, group: number(1) }],
    ["machine$", { user: name("machine$"), group: none }],
    ["first.last@corp", { user: name("first.last@corp"), group: none }],
  ])("reads %j", (text, wish) => {
    expect(parseUser(text)).toEqual(wish);
  });

  test.each([
    "2147483648",
    "4294967294",
    "4294967295",
    "4294967296",
    "-1",
    "+1",
    "99999999999999999999",
    "1:-1",
  ])("refuses %j as out of range, in Docker's words", (text) => {
    expect(() => parseUser(text)).toThrow("uids and gids must be in range 0-2147483647");
  });

  test.each([
    "1e3",
    "0x10",
    "0x0",
    "00",
    "01",
    "２",
    "a:b:c",
    "1:2:3",
    "-a",
    "a b",
    "a\nb",
    "a\0",
    "../a",
    "a/b",
    "x".repeat(65536),
    "1 ",
    " 1",
    "1:00",
  ])("refuses %p, which could be taken for something else", (text) => {
    expect(() => parseUser(text)).toThrow("invalid user or group");
  });
});

test("parseGroup() takes a number or a name, and nothing else", () => {
  expect([parseGroup("7"), parseGroup("audio")]).toEqual(["7", "audio"]);
  expect(() => parseGroup("99999999999")).toThrow("must be in range");
  for (const text of ["", "a:b", "007"]) expect(() => parseGroup(text)).toThrow("invalid user or group");
});
