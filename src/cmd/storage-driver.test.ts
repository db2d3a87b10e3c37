import { afterEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { builtNative } from "../../test/support/native.ts";
import { describeWith } from "../../test/support/requires.ts";
import { isCategory, messageOf } from "../base/errors.ts";
import { NO_LOG } from "../base/log.ts";
import { rejection } from "../base/testing/rejection.ts";
import { openStorage } from "./storage-driver.ts";

const roots: string[] = [];

function newRoot(...made: readonly string[]): string {
  const root = mkdtempSync(join(tmpdir(), "drivers-"));
  roots.push(root);
  for (const path of made) mkdirSync(join(root, path), { recursive: true });
  return root;
}

afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
});

describeWith("the storage driver", ["native"], () => {
  const open = (root: string, wish = "") =>
    openStorage({ wish, root, native: builtNative(), log: NO_LOG, options: [] });
  const ACTIVE = "active/c1/upper";

  test("is overlay2 where nothing is said and nothing is there, also when another has an empty directory", async () => {
    expect((await open(newRoot("vfs/layers", "vfs/active"))).driver).toBe("overlay2");
  });

  test("is the one that has data, unless another is named", async () => {
    const root = newRoot("vfs/active/c1/root");
    expect((await open(root)).driver).toBe("vfs");
    const other = await open(root, "overlay2");
    expect([other.driver, other.active()]).toEqual(["overlay2", []]);
    expect(existsSync(join(root, "vfs/active/c1/root"))).toBe(true);
  });

  test("is not guessed among several", async () => {
    const root = newRoot("vfs/active/c1/root", `overlay2/${ACTIVE}`);
    const error = await rejection(open(root));
    expect(messageOf(error)).toContain("contains several valid graphdrivers: overlay2, vfs; cleanup or");
    expect((await open(root, "vfs")).active().length).toBe(1);
  });

  test("is refused by name when there is none of that name, and when the file system is another's", async () => {
    const unknown = await rejection(open(newRoot(), "zfs"));
    expect(messageOf(unknown)).toBe("error initializing graphdriver: driver not supported: zfs");
    expect(isCategory(unknown, "invalid_argument")).toBe(true);
    const wrong = await rejection(open(newRoot(), "btrfs"));
    expect(messageOf(wrong)).toBe(
      "error initializing graphdriver: prerequisites for driver not satisfied (wrong filesystem?): btrfs",
    );
  });

  test("finds what lay there before there were drivers", async () => {
    const root = newRoot("layers", "staging", "empty", ACTIVE);
    const snapshots = await open(root);
    expect([snapshots.driver, snapshots.active().map(({ id }) => id)]).toEqual(["overlay2", ["c1"]]);
    expect(existsSync(join(root, "layers"))).toBe(false);
  });
});
