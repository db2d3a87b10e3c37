import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { replaceFile, writeDurably } from "./atomic-file.ts";
import { rejection } from "./testing/rejection.ts";

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "atomic-"));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

test("replaceFile() creates, then replaces, and leaves nothing beside the file", async () => {
  const path = join(directory, "state");
  await replaceFile(path, "one", 0o640);
  await Promise.all([replaceFile(path, "two"), replaceFile(path, "two")]);
  expect(readFileSync(path, "utf8")).toBe("two");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(directory)).toEqual(["state"]);
});

test("replaceFile() leaves nothing beside a target that it cannot replace", async () => {
  mkdirSync(join(directory, "state", "full"), { recursive: true });
  expect((await rejection(replaceFile(join(directory, "state"), "one"))).message).toMatch(
    /EISDIR|ENOTEMPTY|EEXIST/,
  );
  expect(readdirSync(directory)).toEqual(["state"]);
});

test("writeDurably() refuses a file that exists", async () => {
  await writeDurably(join(directory, "state"), "one");
  expect((await rejection(writeDurably(join(directory, "state"), "two"))).message).toContain("EEXIST");
});
