/** The suite on the btrfs that is mounted on /mnt: for btrfs.test.ts, which runs this in a mount namespace of its own. */
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync } from "node:fs";
import { builtNative } from "../../../../test/support/native.ts";
import { NO_LOG } from "../../../base/log.ts";
import { sha256Of } from "../../../specs/oci-image/digest.ts";
import { openBtrfsSnapshots } from "../btrfs.ts";
import { layerTar, snapshotterSuite } from "../snapshotter.suite.ts";
import { directoryFiles } from "./directory-files.ts";

const NEVER = new AbortController().signal;

snapshotterSuite("on btrfs", async () => {
  const root = mkdtempSync("/mnt/suite-");
  const open = async () => openBtrfsSnapshots(root, builtNative(), NO_LOG);
  return { snapshots: await open(), reopen: open, files: directoryFiles };
});

test("a subvolume that a crash left in staging or in a root is deleted with what is in it", async () => {
  const root = mkdtempSync("/mnt/crash-");
  const native = builtNative();
  openBtrfsSnapshots(root, native, NO_LOG);
  for (const path of [`${root}/staging/half`, `${root}/active/c1`]) {
    mkdirSync(path);
    const name = path.endsWith("half") ? "root" : "new";
    await native.createSubvolume(`${path}/${name}`);
    mkdirSync(`${path}/${name}/below`);
  }
  const next = openBtrfsSnapshots(root, native, NO_LOG);
  await next.settled();
  for (const folder of ["staging", "active", "trash"]) expect(readdirSync(`${root}/${folder}`)).toEqual([]);
});

test("a container's root with other owners is one of theirs", async () => {
  const root = mkdtempSync("/mnt/shift-");
  const snapshots = openBtrfsSnapshots(root, builtNative(), NO_LOG);
  const layer = sha256Of("a");
  await snapshots.createLayer(layer, undefined, (staged) =>
    staged.apply(layerTar([{ name: "file", content: "text" }]), NEVER),
  );
  await snapshots.prepare("c1", layer, { uid: "0 100000 65536\n", gid: "0 100000 65536\n" });
  const mount = snapshots.mount("c1");
  expect(mount.kind === "bind" && existsSync(`${mount.source}/file`)).toBe(true);
  await snapshots.remove("c1");
  await snapshots.settled();
  expect(readdirSync(`${root}/trash`)).toEqual([]);
});
