import { afterEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { builtNative } from "../../../test/support/native.ts";
import { describeWith } from "../../../test/support/requires.ts";
import { NO_LOG } from "../../base/log.ts";
import { rejection } from "../../base/testing/rejection.ts";
import { sha256Of } from "../../specs/oci-image/digest.ts";
import { layerTar, snapshotterSuite } from "./snapshotter.suite.ts";
import type { Snapshotter, StagedLayer } from "./snapshotter.ts";
import { directoryFiles } from "./testing/directory-files.ts";
import { PlainTrees } from "./testing/plain-native.ts";
import { openVfsSnapshots } from "./vfs.ts";

const roots: string[] = [];
const NEVER = new AbortController().signal;
const [A, B] = [sha256Of("a"), sha256Of("b")];

function newRoot(): string {
  const root = mkdtempSync(join(tmpdir(), "vfs-"));
  roots.push(root);
  return root;
}

afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
});

snapshotterSuite("snapshots as copies", async () => {
  const root = newRoot();
  const open = async () => openVfsSnapshots(root, new PlainTrees(), NO_LOG);
  return { snapshots: await open(), reopen: open, files: directoryFiles };
});

test("a root whose copy was not finished is garbage to the next start", async () => {
  const root = newRoot();
  openVfsSnapshots(root, new PlainTrees(), NO_LOG);
  mkdirSync(join(root, "active", "c1", "new", "etc"), { recursive: true });
  const next = openVfsSnapshots(root, new PlainTrees(), NO_LOG);
  expect(next.active()).toEqual([]);
  await next.settled();
  expect(readdirSync(join(root, "active"))).toEqual([]);
});

test("a container that cannot be copied leaves nothing", async () => {
  const root = newRoot();
  const native = new PlainTrees();
  const snapshots = openVfsSnapshots(root, native, NO_LOG);
  await snapshots.createLayer(A, undefined, fill([{ name: "file", content: "text" }]));
  native.copyTree = () => Promise.reject(new Error("disk on fire"));
  expect(String(await rejection(snapshots.prepare("c1", A)))).toContain("disk on fire");
  await snapshots.settled();
  expect([snapshots.active(), readdirSync(join(root, "active"))]).toEqual([[], []]);
  await snapshots.removeLayer(A);
});

function fill(items: Parameters<typeof layerTar>[0]) {
  return (staged: StagedLayer) => staged.apply(layerTar(items), NEVER);
}

describeWith("snapshots as copies, by the native part", ["root", "native"], () => {
  snapshotterSuite("with real files", async () => {
    const root = newRoot();
    const open = async () => openVfsSnapshots(root, builtNative(), NO_LOG);
    return { snapshots: await open(), reopen: open, files: directoryFiles };
  });

  async function twoLayers(snapshots: Snapshotter): Promise<string> {
    await snapshots.createLayer(
      A,
      undefined,
      fill([
        { name: "gone", content: "1" },
        { name: "d/old", content: "2" },
        { name: "kept/file", content: "3" },
        { name: "kept/link", kind: "hardlink", linkName: "kept/file" },
        { name: "tree/deep/file", content: "4" },
      ]),
    );
    await snapshots.createLayer(
      B,
      A,
      fill([
        { name: ".wh.gone" },
        { name: "d/.wh..wh..opq" },
        { name: "d/new", content: "5" },
        { name: "tree", content: "a file now" },
        { name: "kept/more", content: "6" },
      ]),
    );
    await snapshots.prepare("c1", B);
    const mount = snapshots.mount("c1");
    if (mount.kind !== "bind") throw new Error("no tree");
    return mount.source;
  }

  test("whiteouts and opaque directories have deleted, and hard links are kept", async () => {
    const snapshots = openVfsSnapshots(newRoot(), builtNative(), NO_LOG);
    const root = await twoLayers(snapshots);
    expect(readdirSync(root).toSorted()).toEqual(["d", "kept", "tree"]);
    expect(readdirSync(join(root, "d"))).toEqual(["new"]);
    expect(readdirSync(join(root, "kept")).toSorted()).toEqual(["file", "link", "more"]);
    const { statSync } = await import("node:fs");
    expect(statSync(join(root, "kept", "file")).ino).toBe(statSync(join(root, "kept", "link")).ino);
    expect((await snapshots.usage("c1", NEVER)).sizeBytes).toBe(0);
    expect(existsSync(join(root, "d", ".wh..wh..opq"))).toBe(false);
  });

  test("a root with other owners has them from the top down", async () => {
    const { statSync } = await import("node:fs");
    const snapshots = openVfsSnapshots(newRoot(), builtNative(), NO_LOG);
    await twoLayers(snapshots);
    const shift = { uid: "0 100000 65536\n", gid: "0 200000 65536\n" };
    await snapshots.prepare("c2", B, shift);
    const mount = snapshots.mount("c2");
    if (mount.kind !== "bind") throw new Error("no tree");
    for (const name of [".", "kept/file"]) {
      const { uid, gid } = statSync(join(mount.source, name));
      expect([uid, gid]).toEqual([100_000, 200_000]);
    }
    expect(mount).toMatchObject({ shiftedBy: snapshots.keyOf(shift) });
  });
});
