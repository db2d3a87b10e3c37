import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NO_LOG } from "../../base/log.ts";
import { rejection } from "../../base/testing/rejection.ts";
import { sha256Of } from "../../specs/oci-image/digest.ts";
import { openOverlaySnapshots } from "./overlay.ts";
import type { Snapshotter } from "./snapshotter.ts";
import { PlainTrees } from "./testing/plain-native.ts";

const A = sha256Of("a");
const FIRST = 2 ** 30;
const roots: string[] = [];

afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
});

interface Disk {
  readonly native: PlainTrees;
  readonly active: string;
  readonly open: () => Snapshotter;
}

function disk(): Disk {
  const root = mkdtempSync(join(tmpdir(), "quotas-"));
  roots.push(root);
  const native = new PlainTrees();
  native.quotas = true;
  return { native, active: join(root, "active"), open: () => openOverlaySnapshots(root, native, NO_LOG) };
}

test("a limited root is a project of its own before anything is in it, another is none", async () => {
  const { native, active, open } = disk();
  const snapshots = open();
  native.inodes.set(FIRST, 1); // somebody else's
  await snapshots.prepare("c1", undefined, undefined, 4096);
  await snapshots.prepare("c2", undefined);
  await snapshots.prepare("c3", undefined, undefined, 8192);
  expect([...native.projects]).toEqual([
    [join(active, "c1"), FIRST + 1],
    [join(active, "c3"), FIRST + 2],
  ]);
  expect([...native.limits]).toEqual([
    [FIRST + 1, 4096],
    [FIRST + 2, 8192],
  ]);
});

test("the limit goes with the root, also for a daemon that did not make it", async () => {
  const { native, open } = disk();
  await open().prepare("c1", undefined, undefined, 4096);
  native.inodes.set(FIRST, 2);
  const next = open();
  await next.prepare("c2", undefined, undefined, 8192);
  await next.remove("c1");
  expect([...native.limits]).toEqual([
    [FIRST, 0],
    [FIRST + 1, 8192],
  ]);
});

test("a root that cannot be made leaves no limit", async () => {
  const { native, active, open } = disk();
  const snapshots = open();
  await snapshots.createLayer(A, undefined, () => Promise.resolve({ sizeBytes: 0, inodes: 1 }));
  const shift = { uid: "0 1000 1", gid: "0 1000 1" };
  native.shiftFailure = new Error("no such user");
  expect(String(await rejection(snapshots.prepare("c1", A, shift, 4096)))).toContain("no such user");
  expect([...native.limits.values()]).toEqual([0]);
  native.joinProject = () => {
    throw new Error("disk on fire");
  };
  expect(String(await rejection(snapshots.prepare("c2", undefined, undefined, 4096)))).toContain("on fire");
  expect([...native.limits.values()]).toEqual([0, 0]);
  expect(readdirSync(active)).toEqual([]);
});

test("what limits the data root as a whole stays, and keeps no root from being thrown away", async () => {
  const { native, active, open } = disk();
  const snapshots = open();
  const around = FIRST + 100; // numbers like ours, too: those of an engine that this one runs in
  native.projects.set(active, around);
  native.projects.set(join(active, "c2"), around);
  await snapshots.prepare("c1", undefined, undefined, 4096);
  await snapshots.prepare("c2", undefined);
  await snapshots.remove("c1");
  await snapshots.remove("c2");
  expect([...native.limits]).toEqual([[FIRST, 0]]);
  expect(native.projects.get(join(active, "c1"))).toBe(around);
});

test("a file system that has no projects, and an administrator's own, are left alone", async () => {
  const { native, active, open } = disk();
  const snapshots = open();
  await snapshots.prepare("c1", undefined);
  native.projects.set(join(active, "c1"), 42);
  await snapshots.remove("c1");
  await snapshots.prepare("c2", undefined);
  native.projectOf = () => {
    throw Object.assign(new Error("ENOTTY: inappropriate ioctl for device"), { code: "ENOTTY" });
  };
  await snapshots.remove("c2");
  writeFileSync(join(active, "stray"), "");
  native.projectOf = () => {
    throw Object.assign(new Error("ENOTDIR: not a directory"), { code: "ENOTDIR" });
  };
  expect(open().active()).toEqual([]);
  expect([native.limits.size, snapshots.active()]).toEqual([0, []]);
});
