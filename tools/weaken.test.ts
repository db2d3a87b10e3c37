import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { WEAKENINGS } from "../test/security/weakenings.ts";
import { applyEdit } from "./weaken.ts";

const root = join(import.meta.dirname, "..");
const read = (file: string): string => readFileSync(join(root, file), "utf8");

test("every weakening has a name of its own", () => {
  const names = WEAKENINGS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});

test.each(WEAKENINGS.map((weakening) => [weakening.name, weakening] as const))(
  "%s still applies, and its test is there",
  (_, { edits, test: { file, name } }) => {
    const texts = new Map<string, string>();
    for (const edit of edits) {
      const before = texts.get(edit.file) ?? read(edit.file);
      const after = applyEdit(before, edit);
      expect(after).not.toBe(before);
      texts.set(edit.file, after);
    }
    expect(existsSync(join(root, file))).toBe(true);
    expect(read(file)).toContain(name);
  },
);

test("an edit that fits nowhere, or twice, is refused", () => {
  expect(() => applyEdit("a b a", { file: "f", find: "a", replace: "c" })).toThrow(
    "f: the edit's text stands there 2 times",
  );
  expect(() => applyEdit("a", { file: "f", find: "x", replace: "c" })).toThrow("stands there 0 times");
});
