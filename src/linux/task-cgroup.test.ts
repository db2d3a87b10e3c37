import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clear, freeze, isFrozen, thaw } from "./task-cgroup.ts";

/** Directories with the knobs that decide; what needs a kernel is tested with real containers in core/tasks. */
let root = "";

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "task-cgroup-"));
});

afterEach(() => {
  rmSync(root, { recursive: true });
});

const NO_PIDFDS = { pidfdOpen: () => -1, pidfdSignal: () => {}, closeFd: () => {} };

function group(name: string, knobs: Readonly<Record<string, string>>): string {
  const dir = join(root, name);
  mkdirSync(dir, { recursive: true });
  for (const [knob, value] of Object.entries(knobs)) writeFileSync(join(dir, knob), value);
  return dir;
}

test("freeze() and thaw() write the v2 knob", async () => {
  const dir = group("c", { "cgroup.freeze": "0", "cgroup.events": "populated 1\nfrozen 1\n" });
  await freeze([dir]);
  expect(readFileSync(join(dir, "cgroup.freeze"), "utf8")).toBe("1");
  await thaw([dir]);
  expect(readFileSync(join(dir, "cgroup.freeze"), "utf8")).toBe("0");
});

test("freeze() and thaw() find the freezer among the v1 hierarchies", async () => {
  const memory = group("memory/c", {});
  const freezer = group("freezer/c", { "freezer.state": "THAWED" });
  await freeze([memory, freezer]);
  expect(await isFrozen([memory, freezer])).toBe(true);
  await thaw([memory, freezer]);
  expect(await isFrozen([memory, freezer])).toBe(false);
  expect(readdirSync(memory)).toEqual([]);
});

test("isFrozen() reads what the kernel says, not what was asked", async () => {
  const dir = group("c", { "cgroup.freeze": "1", "cgroup.events": "populated 1\nfrozen 0\n" });
  expect(await isFrozen([dir])).toBe(false);
});

test("freeze() says when there is no freezer", async () => {
  const error: unknown = await freeze([join(root, "missing")]).catch((e: unknown) => e);
  expect(error).toMatchObject({ category: "not_implemented" });
});

test("clear() removes what containers made below their cgroup, and takes missing ones for done", async () => {
  const dir = group("c", {});
  mkdirSync(join(dir, "a/b"), { recursive: true });
  mkdirSync(join(dir, "d"));
  await clear([dir, join(root, "missing")], NO_PIDFDS);
  expect(readdirSync(root)).toEqual([]);
});
