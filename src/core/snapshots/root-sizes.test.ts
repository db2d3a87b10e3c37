import { expect, test } from "bun:test";
import { type Category, GantryError, messageOf } from "../../base/errors.ts";
import { RootSizes } from "./root-sizes.ts";

const MIB = 1 << 20;
const CANNOT = "--storage-opt is supported only for overlay over xfs with 'pquota' mount option";
const NO_QUOTAS = "Filesystem does not support, or has not enabled quotas";

function sizes(driver: string, areEnforced: boolean, options: readonly string[] = []): RootSizes {
  return new RootSizes(driver, { areEnforced }, options);
}

function failure(run: () => unknown): readonly [Category, string] {
  try {
    run();
  } catch (error) {
    if (error instanceof GantryError) return [error.category, messageOf(error)];
    throw error;
  }
  throw new Error("it was not refused");
}

test("a size is a number of bytes, and overrules the one for all containers", () => {
  const all = sizes("overlay2", true, ["overlay2.size=1G", "Overlay2.Size = 2G"]);
  expect([all.of({}), all.of({ size: "20M" }), all.of({ SIZE: "1.5 KiB" }), all.of({ size: "0" })]).toEqual([
    2048 * MIB,
    20 * MIB,
    1536,
    0,
  ]);
  expect(sizes("vfs", true, ["size=1m"]).of({})).toBe(MIB);
  expect(sizes("erofs", true, ["erofs.size=1m"]).of({})).toBe(MIB);
  expect(sizes("overlay2", false).of({})).toBe(0);
});

test.each<[driver: string, areEnforced: boolean, options: Record<string, string>, Category, string]>([
  ["overlay2", false, { foo: "1", size: "1G" }, "internal", CANNOT],
  ["overlay2", false, { size: "0" }, "internal", CANNOT],
  ["erofs", false, { size: "1G" }, "internal", CANNOT],
  ["overlay2", false, { foo: "1" }, "internal", "Unknown option foo"],
  ["overlay2", true, { foo: "1", size: "1G" }, "internal", "Unknown option foo"],
  ["overlay2", true, { size: "-1" }, "internal", "invalid size: '-1'"],
  ["vfs", false, { size: "1G" }, "not_implemented", NO_QUOTAS],
  ["vfs", true, { foo: "1" }, "invalid_argument", "Storage opt foo not supported"],
  ["vfs", true, { Size: "1G" }, "invalid_argument", "Storage opt Size not supported"],
  ["vfs", true, { size: "much" }, "invalid_argument", "invalid size: 'much'"],
  [
    "btrfs",
    false,
    { size: "1G" },
    "not_implemented",
    '"--storage-opt size" is not supported by the storage driver btrfs of this engine',
  ],
  ["btrfs", false, { foo: "1" }, "internal", "Unknown option foo"],
])("%s, quotas %p, refuses %p", (driver, areEnforced, options, category, message) => {
  expect(failure(() => sizes(driver, areEnforced).of(options))).toEqual([category, message]);
});

test.each<[driver: string, areEnforced: boolean, option: string, Category, string]>([
  ["overlay2", true, "dm.fs=xfs", "invalid_argument", "overlay2: unknown option dm.fs"],
  ["overlay2", true, "overlay2.size", "invalid_argument", "unable to parse key/value option: overlay2.size"],
  ["overlay2", true, "overlay2.size=x", "invalid_argument", "invalid size: 'x'"],
  [
    "overlay2",
    false,
    "overlay2.size=1G",
    "unavailable",
    `Storage option overlay2.size not supported. Filesystem does not support Project Quota: ${NO_QUOTAS}`,
  ],
  ["erofs", true, "overlay2.size=1G", "invalid_argument", "erofs: unknown option overlay2.size"],
  ["vfs", false, "size=1G", "unavailable", NO_QUOTAS],
  ["vfs", true, "overlay2.size=1G", "invalid_argument", "unknown option overlay2.size for vfs"],
  ["btrfs", true, "btrfs.min_space=1G", "invalid_argument", "Unknown option btrfs.min_space"],
])("the daemon's option: %s, quotas %p, refuses %s", (driver, areEnforced, option, category, message) => {
  expect(failure(() => sizes(driver, areEnforced, [option]))).toEqual([category, message]);
});
