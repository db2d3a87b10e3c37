/** Golden files: compared as they are; UPDATE_GOLDEN=1 writes them anew, and the difference is reviewed. */
import { expect } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";

export function expectGolden(path: string, text: string): void {
  if (process.env.UPDATE_GOLDEN === "1") writeFileSync(path, text);
  expect(text).toBe(readFileSync(path, "utf8"));
}
