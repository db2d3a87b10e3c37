import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { conformancePage } from "./conformance.ts";

test("docs/conformance.md is what the table says: npm run gen:conformance", () => {
  const page = readFileSync(join(import.meta.dirname, "..", "..", "docs", "conformance.md"), "utf8");
  expect(page).toBe(conformancePage());
});
