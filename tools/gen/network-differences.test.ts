import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { differencesPage } from "./network-differences.ts";

test("docs/network-differences.md is made from the table of differences", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/network-differences.md"), "utf8");
  expect(page).toBe(differencesPage());
});
