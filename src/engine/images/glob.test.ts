import { expect, test } from "bun:test";
import { matchesGlob } from "./glob.ts";

test("stars and question marks do not cross a slash", () => {
  expect(matchesGlob("busybox:latest", "busy*")).toBe(true);
  expect(matchesGlob("team/app", "*")).toBe(false);
  expect(matchesGlob("team/app", "*/*")).toBe(true);
  expect(matchesGlob("team/app", "team?app")).toBe(false);
  expect(matchesGlob("app", "a?p")).toBe(true);
  expect(matchesGlob("app", "a")).toBe(false);
  expect(matchesGlob("", "*")).toBe(true);
});

test("a pattern made to be slow is not", () => {
  expect(matchesGlob("a".repeat(200), `${"*a".repeat(100)}b`)).toBe(false);
});
