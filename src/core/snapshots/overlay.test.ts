import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isCategory } from "../../base/errors.ts";
import { NO_LOG } from "../../base/log.ts";
import { rejection } from "../../base/testing/rejection.ts";
import { hexOf, sha256Of } from "../../specs/oci-image/digest.ts";
import { openOverlaySnapshots } from "./overlay.ts";
import { layerTar, snapshotterSuite } from "./snapshotter.suite.ts";
import type { StagedLayer } from "./snapshotter.ts";
import { directoryFiles, overlayOf } from "./testing/directory-files.ts";
import { PlainTrees } from "./testing/plain-native.ts";

const roots: string[] = [];
const A = sha256Of("a");
const B = sha256Of("b");
const NEVER = new AbortController().signal;
const USAGE = { sizeBytes: 0, inodes: 1 };
const empty = () => Promise.resolve(USAGE);

function newRoot(): string {
  const root = mkdtempSync(join(tmpdir(), "overlay-"));
  roots.push(root);
  return root;
}

afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
});

snapshotterSuite("snapshots for overlayfs", async () => {
  const root = newRoot();
  const open = async () => openOverlaySnapshots(root, new PlainTrees(), NO_LOG);
  return { snapshots: await open(), reopen: open, files: directoryFiles };
});

test("describe() has Docker's keys for containers and for layers", async () => {
  const snapshots = openOverlaySnapshots(newRoot(), new PlainTrees(), NO_LOG);
  await snapshots.createLayer(A, undefined, empty);
  await snapshots.createLayer(B, A, empty);
  await snapshots.prepare("c1", B);
  expect(Object.keys(snapshots.describe("c1"))).toEqual(["LowerDir", "MergedDir", "UpperDir", "WorkDir"]);
  expect(snapshots.describe("c1")["LowerDir"]).toBe(overlayOf(snapshots.mount("c1")).lowers.join(":"));
  expect(Object.keys(snapshots.describe(A))).toEqual(["MergedDir", "UpperDir", "WorkDir"]);
  expect(snapshots.describe(B)["LowerDir"]).toBe(snapshots.describe(A)["UpperDir"] ?? "");
});

test("layers are made where the file system keeps them apart", () => {
  const [root, native] = [newRoot(), new PlainTrees()];
  openOverlaySnapshots(root, native, NO_LOG);
  expect(native.spread).toEqual([`${root}/staging`]);
});

test("one sync covers all layers of a commit, and prepare() needs none", async () => {
  const native = new PlainTrees();
  const snapshots = openOverlaySnapshots(newRoot(), native, NO_LOG);
  await snapshots.commitLayers([
    { staged: snapshots.stageLayer(), chainId: A, parent: undefined, usage: USAGE },
    { staged: snapshots.stageLayer(), chainId: B, parent: A, usage: USAGE },
  ]);
  await snapshots.prepare("c1", B);
  expect(native.syncs).toBe(1);
});

test("the next start deletes unmarked layers, torn marks, layers without parent, staging and trash", async () => {
  const root = newRoot();
  const first = openOverlaySnapshots(root, new PlainTrees(), NO_LOG);
  await first.createLayer(A, undefined, empty);
  await first.createLayer(B, A, empty);
  rmSync(join(root, "layers", hexOf(A), "complete"));
  mkdirSync(join(root, "layers", hexOf(sha256Of("torn"))));
  writeFileSync(join(root, "layers", hexOf(sha256Of("torn")), "complete"), '{"parent":nu');
  mkdirSync(join(root, "layers", "stranger"));
  mkdirSync(join(root, "staging", "half", "diff"), { recursive: true });
  mkdirSync(join(root, "trash", "old", "diff"), { recursive: true });
  mkdirSync(join(root, "active", "half", "work"), { recursive: true });
  const next = openOverlaySnapshots(root, new PlainTrees(), NO_LOG);
  expect(next.layers()).toEqual([]);
  expect(next.active()).toEqual([]);
  await next.settled();
  for (const name of ["layers", "staging", "trash", "active"])
    expect([name, ...readdirSync(join(root, name))]).toEqual([name]);
});

test("a container keeps its files when the layer below is lost, and cannot be mounted", async () => {
  const root = newRoot();
  const first = openOverlaySnapshots(root, new PlainTrees(), NO_LOG);
  await first.createLayer(A, undefined, empty);
  await first.prepare("c1", A);
  writeFileSync(join(overlayOf(first.mount("c1")).upper, "precious"), "data");
  rmSync(join(root, "layers", hexOf(A)), { recursive: true });
  const next = openOverlaySnapshots(root, new PlainTrees(), NO_LOG);
  expect(next.active()).toEqual([{ id: "c1", parent: A }]);
  const error = await rejection(Promise.resolve().then(() => next.mount("c1")));
  expect(isCategory(error, "unavailable")).toBe(true);
  expect((await next.usage("c1", new AbortController().signal)).sizeBytes).toBe(4);
  await next.remove("c1");
  await next.settled();
  expect(readdirSync(join(root, "active"))).toEqual([]);
});

test("remove() does not wait for the deletion, settled() does", async () => {
  const root = newRoot();
  const native = new PlainTrees();
  const gate = Promise.withResolvers<void>();
  native.gate = gate.promise;
  const snapshots = openOverlaySnapshots(root, native, NO_LOG);
  await snapshots.prepare("c1", undefined);
  await snapshots.remove("c1");
  expect(readdirSync(join(root, "active"))).toEqual([]);
  expect(readdirSync(join(root, "trash")).length).toBe(1);
  gate.resolve();
  await snapshots.settled();
  expect(readdirSync(join(root, "trash"))).toEqual([]);
});

test("a layer cannot be removed between the commit of its child and the child's entry", async () => {
  const snapshots = openOverlaySnapshots(newRoot(), new PlainTrees(), NO_LOG);
  await snapshots.createLayer(A, undefined, empty);
  const commit = snapshots.createLayer(B, A, empty);
  const removals: Promise<unknown>[] = [];
  // At every turn of the event loop until the child is there: never both "removed" and "committed on top".
  while (!snapshots.hasLayer(B) && snapshots.hasLayer(A)) {
    removals.push(snapshots.removeLayer(A).catch(() => {}));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await commit.catch(() => {});
  await Promise.all(removals);
  expect(snapshots.hasLayer(B) && !snapshots.hasLayer(A)).toBe(false);
});

describe("a snapshot with other owners", () => {
  const SHIFT = { uid: `0 ${process.getuid?.() ?? 0} 1\n`, gid: `0 ${process.getgid?.() ?? 0} 1\n` };
  const withFile = async (staged: StagedLayer): Promise<typeof USAGE> => {
    await staged.apply(layerTar([{ name: "file", content: "content" }]), NEVER);
    return USAGE;
  };
  const copiesIn = (root: string): string[] =>
    readdirSync(join(root, "shifted")).flatMap((key) => readdirSync(join(root, "shifted", key)));

  test("stands on copies of its layers, which are made once for all", async () => {
    const root = newRoot();
    const native = new PlainTrees();
    const snapshots = openOverlaySnapshots(root, native, NO_LOG);
    await snapshots.createLayer(A, undefined, withFile);
    await snapshots.createLayer(B, A, empty);
    await Promise.all([snapshots.prepare("c1", B, SHIFT), snapshots.prepare("c2", B, SHIFT)]);
    await snapshots.prepare("c3", B);
    expect(native.shifts).toBe(2);
    const { shiftedBy } = snapshots.mount("c1");
    const { lowers } = overlayOf(snapshots.mount("c1"));
    expect(lowers.map((path) => existsSync(join(path, "file")))).toEqual([false, true]);
    expect(lowers.every((path) => path.startsWith(join(root, "shifted")))).toBe(true);
    expect(shiftedBy).toBe(snapshots.keyOf(SHIFT));
    expect(snapshots.mount("c3").shiftedBy).toBeUndefined();
    expect(overlayOf(snapshots.mount("c3")).lowers[0]).toStartWith(join(root, "layers"));

    const next = openOverlaySnapshots(root, native, NO_LOG);
    expect(next.mount("c1")).toEqual(snapshots.mount("c1"));
    await next.prepare("c4", B, SHIFT);
    expect(native.shifts).toBe(2);
  });

  test("has copies of its own for every mapping, and they go with their layer", async () => {
    const root = newRoot();
    const snapshots = openOverlaySnapshots(root, new PlainTrees(), NO_LOG);
    await snapshots.createLayer(A, undefined, withFile);
    await snapshots.prepare("c1", A, SHIFT);
    await snapshots.prepare("c2", A, { ...SHIFT, uid: `${SHIFT.uid}1 500000 1\n` });
    expect(copiesIn(root)).toEqual([hexOf(A), hexOf(A)]);
    await snapshots.remove("c1");
    await snapshots.remove("c2");
    await snapshots.removeLayer(A);
    expect(copiesIn(root)).toEqual([]);
    await snapshots.settled();
  });

  test("is not made when a copy fails, and nothing of it is left", async () => {
    const root = newRoot();
    const native = new PlainTrees();
    const snapshots = openOverlaySnapshots(root, native, NO_LOG);
    await snapshots.createLayer(A, undefined, withFile);
    native.shiftFailure = new Error("no");
    expect(String(await rejection(snapshots.prepare("c1", A, SHIFT)))).toContain("no");
    await snapshots.settled();
    expect([snapshots.active(), copiesIn(root), readdirSync(join(root, "staging"))]).toEqual([[], [], []]);
    await snapshots.removeLayer(A);
    await snapshots.settled();
  });

  test("loses copies that have no mark or no layer at the next start", async () => {
    const root = newRoot();
    const first = openOverlaySnapshots(root, new PlainTrees(), NO_LOG);
    await first.createLayer(A, undefined, withFile);
    await first.createLayer(B, A, empty);
    await first.prepare("c1", B, SHIFT);
    const key = first.keyOf(SHIFT);
    rmSync(join(root, "shifted", key, hexOf(A), "complete"));
    mkdirSync(join(root, "shifted", key, "stranger"));
    const next = openOverlaySnapshots(root, new PlainTrees(), NO_LOG);
    await next.settled();
    expect(copiesIn(root)).toEqual([hexOf(B)]);
  });
});
