import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readSmallFile, rewriteFile } from "./rewrite-file.ts";

test("a file gets longer and shorter content, and stays the same file", () => {
  const directory = mkdtempSync(join(tmpdir(), "rewrite-"));
  const path = join(directory, "hosts");
  writeFileSync(path, "one\n");
  const { ino } = statSync(path);
  for (const text of ["one\ntwo\n", "ü\n", ""]) {
    rewriteFile(path, text);
    expect(readFileSync(path, "utf8")).toBe(text);
  }
  expect(statSync(path).ino).toBe(ino);
  expect(() => rewriteFile(join(directory, "none"), "x")).toThrow("ENOENT");
  rmSync(directory, { recursive: true });
});

test("a file is read up to a limit", () => {
  const directory = mkdtempSync(join(tmpdir(), "rewrite-"));
  const path = join(directory, "hosts");
  writeFileSync(path, "12345");
  expect(readSmallFile(path, 5)).toBe("12345");
  expect(readSmallFile(path, 4)).toBeUndefined();
  rmSync(directory, { recursive: true });
});
