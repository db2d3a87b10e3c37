import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { thawDyingNow, thawNow } from "./cgroup-now.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "cgroup-now-"));
});
afterEach(() => {
  rmSync(dir, { recursive: true });
});

test("what has been killed is thawed, as far as it is there", () => {
  writeFileSync(join(dir, "cgroup.freeze"), "1");
  thawDyingNow([dir]);
  expect(readFileSync(join(dir, "cgroup.freeze"), "latin1")).toBe("0");
  thawDyingNow([join(dir, "gone")]);
  thawDyingNow([]);
});

test("what is to go on must be there to be thawed", () => {
  expect(() => thawNow([join(dir, "gone")])).toThrow("no cgroup that can be frozen");
});
