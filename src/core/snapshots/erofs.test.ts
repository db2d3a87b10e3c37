import { afterEach, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { builtNative } from "../../../test/support/native.ts";
import { describeWith } from "../../../test/support/requires.ts";
import { isCategory, messageOf } from "../../base/errors.ts";
import { NO_LOG } from "../../base/log.ts";
import { rejection } from "../../base/testing/rejection.ts";
import { sha256Of } from "../../specs/oci-image/digest.ts";
import { openErofsSnapshots } from "./erofs.ts";
import { layerTar, snapshotterSuite } from "./snapshotter.suite.ts";
import { overlayOf } from "./testing/directory-files.ts";
import { inside, mountedFiles } from "./testing/mounted-files.ts";

const roots: string[] = [];
const NEVER = new AbortController().signal;
const [A, B] = [sha256Of("a"), sha256Of("b")];

function newRoot(): string {
  const root = mkdtempSync(join(tmpdir(), "erofs-"));
  roots.push(root);
  return root;
}

afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
});

async function* nothing(): AsyncGenerator<never> {}

test("a kernel that cannot mount images is told from one that can when the driver starts", async () => {
  const native = {
    applyLayerImage: () => Promise.resolve({ sizeBytes: 0, inodes: 0 }),
    tryImageMount: () => Promise.reject(new Error("Block device required")),
    removeTree: () => Promise.resolve(),
    treeUsage: () => Promise.resolve({ sizeBytes: 0, inodes: 0 }),
    syncFilesystem: () => Promise.resolve(),
    spreadChildren: () => false,
    packRoot: nothing,
    packDiff: nothing,
    treeChanges: nothing,
    enforcesProjectLimits: () => false,
    projectInodes: () => 0,
    limitProject: () => {},
    projectOf: () => 0,
    joinProject: () => {},
  };
  const error = await rejection(openErofsSnapshots(newRoot(), native, NO_LOG));
  expect(isCategory(error, "unavailable")).toBe(true);
  expect(messageOf(error)).toContain("prerequisites for driver not satisfied: erofs");
});

describeWith("snapshots as images", ["root", "native", "erofs"], () => {
  snapshotterSuite("with mounts", async () => {
    const root = newRoot();
    const open = () => openErofsSnapshots(root, builtNative(), NO_LOG);
    return { snapshots: await open(), reopen: open, files: mountedFiles };
  });

  test("a container sees layers merged, with what whiteouts and opaque directories hide", async () => {
    const snapshots = await openErofsSnapshots(newRoot(), builtNative(), NO_LOG);
    await snapshots.createLayer(A, undefined, (staged) =>
      staged.apply(
        layerTar([
          { name: "gone", content: "1" },
          { name: "d/old", content: "2" },
          { name: "kept/file", content: "3" },
        ]),
        NEVER,
      ),
    );
    await snapshots.createLayer(B, A, (staged) =>
      staged.apply(
        layerTar([{ name: ".wh.gone" }, { name: "d/.wh..wh..opq" }, { name: "d/new", content: "4" }]),
        NEVER,
      ),
    );
    await snapshots.prepare("c1", B);
    const found = inside(snapshots.mount("c1"), "cd root && find . | sort | tr '\\n' ' '");
    expect(found.stdout).toBe(". ./d ./d/new ./kept ./kept/file ");
  });

  test("an image is for root alone, in a directory for root alone", async () => {
    const snapshots = await openErofsSnapshots(newRoot(), builtNative(), NO_LOG);
    await snapshots.createLayer(A, undefined, (staged) =>
      staged.apply(layerTar([{ name: "file", content: "text" }]), NEVER),
    );
    await snapshots.prepare("c1", A);
    const [image = ""] = overlayOf(snapshots.mount("c1")).lowers;
    expect([statSync(image).mode & 0o777, statSync(join(image, "..")).mode & 0o777]).toEqual([0o600, 0o700]);
  });

  test("a damaged image is refused by the kernel or read as it is, and nothing else happens", async () => {
    const native = builtNative();
    const snapshots = await openErofsSnapshots(newRoot(), native, NO_LOG);
    const items = Array.from({ length: 40 }, (_, i) => ({
      name: `d${i % 5}/f${i}`,
      content: "x".repeat(i * 300),
    }));
    await snapshots.createLayer(A, undefined, (staged) => staged.apply(layerTar(items), NEVER));
    await snapshots.prepare("c1", A);
    const mount = snapshots.mount("c1");
    const [image = ""] = overlayOf(mount).lowers;
    const whole = readFileSync(image);
    chmodSync(image, 0o600);

    const spoilt = Buffer.from(whole);
    spoilt.writeUInt8(spoilt.readUInt8(1024 + 80) ^ 0xff, 1024 + 80); // in the superblock
    writeFileSync(image, spoilt);
    const refusal = await rejection(native.tryImageMount(image));
    expect(messageOf(refusal)).toMatch(/cannot mount the image ".*": it is damaged: /);

    for (let round = 0; round < 30; round++) {
      const flipped = Buffer.from(whole);
      for (let n = 0; n < 8; n++) {
        const at = 4096 + ((round * 7919 + n * 104_729) % (whole.length - 4096));
        flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << (n % 8)), at);
      }
      writeFileSync(image, flipped);
      const read = "find root -type f -exec cat {} + >/dev/null 2>&1 || true";
      expect([0, 99]).toContain(inside(mount, read).status ?? -1);
    }
  });
});
