import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf } from "../../base/errors.ts";
import { RunDirectories } from "./run-directory.ts";

let root: string;
let directories: RunDirectories;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "gantry-tasks-"));
  directories = new RunDirectories(root, (path) => Promise.resolve(rmSync(path, { recursive: true })));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

test("what is removed is no task any more, however far that got", async () => {
  const { staging } = directories.create("c1");
  directories.writeConfig("c1", "{}");
  directories.writeText("c1", "exit", "{}");
  directories.writeText("c1", "a", "");
  writeFileSync(join(staging, "mounted"), "");
  expect(await directories.remove("c1").then(String, messageOf)).toContain("cannot remove the run directory");
  expect([await directories.exists("c1"), await directories.readConfig("c1")]).toEqual([true, undefined]);
  rmSync(join(staging, "mounted"));
  await directories.remove("c1");
  expect(await directories.exists("c1")).toBe(false);
  await directories.remove("c1");
});
