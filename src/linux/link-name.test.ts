import { expect, test } from "bun:test";
import { isLinkName } from "./link-name.ts";

test.each<[string, boolean, boolean]>([
  ["eth0", true, true],
  ["abcdefghijklmno", true, true],
  ["abcdefghijklmnop", false, false],
  ["äöüäöüäö", false, false],
  ["eth%d", false, true],
  ["eth%d%d", false, false],
  ["eth%s", false, false],
  ["", false, false],
  [".", false, false],
  ["..", false, false],
  ["a/b", false, false],
  ["a:b", false, false],
  ["a b", false, false],
  ["a\n", false, false],
])("isLinkName(%j): on the host %p, as a new name %p", (name, existing, fresh) => {
  expect(isLinkName(name, "existing")).toBe(existing);
  expect(isLinkName(name, "new")).toBe(fresh);
});
