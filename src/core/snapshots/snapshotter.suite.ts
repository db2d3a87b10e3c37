/** What every implementation of Snapshotter must do. `reopen` is what the next start finds after a kill. */
import { describe, expect, test } from "bun:test";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isCategory } from "../../base/errors.ts";
import { rejection } from "../../base/testing/rejection.ts";
import { sha256Of } from "../../specs/oci-image/digest.ts";
import { MAX_LAYERS, type Snapshotter, type SnapshotUsage } from "./snapshotter.ts";

export interface SnapshotterUnderTest {
  readonly snapshots: Snapshotter;
  readonly reopen: () => Promise<Snapshotter>;
}

const NEVER = new AbortController().signal;
const A = sha256Of("a");
const B = sha256Of("b");
const C = sha256Of("c");
const USAGE: SnapshotUsage = { sizeBytes: 3, inodes: 2 };

function fill(text: string): (directory: string) => Promise<SnapshotUsage> {
  return (directory) => {
    writeFileSync(join(directory, "file"), text);
    return Promise.resolve(USAGE);
  };
}

export function snapshotterSuite(name: string, make: () => Promise<SnapshotterUnderTest>): void {
  describe(name, () => {
    test("a created layer is there, with its parent and usage, also for the next start", async () => {
      const { snapshots, reopen } = await make();
      await snapshots.createLayer(A, undefined, fill("a"));
      await snapshots.createLayer(B, A, fill("b"));
      for (const found of [snapshots, await reopen()]) {
        expect(found.hasLayer(B)).toBe(true);
        expect(found.layers().toSorted((x, y) => x.chainId.localeCompare(y.chainId))).toEqual(
          [
            { chainId: A, parent: undefined, usage: USAGE },
            { chainId: B, parent: A, usage: USAGE },
          ].toSorted((x, y) => x.chainId.localeCompare(y.chainId)),
        );
      }
    });

    test("callers of one chainID share one run, and an existing layer is not made again", async () => {
      const { snapshots } = await make();
      let runs = 0;
      const apply = async (directory: string): Promise<SnapshotUsage> => {
        runs++;
        return await fill("a")(directory);
      };
      await Promise.all([
        snapshots.createLayer(A, undefined, apply),
        snapshots.createLayer(A, undefined, apply),
      ]);
      await snapshots.createLayer(A, undefined, apply);
      expect(runs).toBe(1);
    });

    test("a caller whose turn comes when another's run failed makes the layer itself", async () => {
      const { snapshots } = await make();
      const gate = Promise.withResolvers<SnapshotUsage>();
      const first = rejection(snapshots.createLayer(A, undefined, () => gate.promise));
      const second = snapshots.createLayer(A, undefined, fill("a"));
      const third = snapshots.createLayer(A, undefined, fill("a"));
      gate.reject(new Error("client went away"));
      expect((await first).message).toBe("client went away");
      await Promise.all([second, third]);
      expect(snapshots.hasLayer(A)).toBe(true);
    });

    test("a layer whose filling fails leaves nothing and can be made again", async () => {
      const { snapshots, reopen } = await make();
      const error = await rejection(
        snapshots.createLayer(A, undefined, (directory) => {
          writeFileSync(join(directory, "half"), "");
          return Promise.reject(new Error("damaged archive"));
        }),
      );
      expect(error.message).toBe("damaged archive");
      expect(snapshots.hasLayer(A)).toBe(false);
      expect((await reopen()).layers()).toEqual([]);
      await snapshots.createLayer(A, undefined, fill("a"));
      expect(snapshots.hasLayer(A)).toBe(true);
    });

    test("a layer that was being filled at a crash is garbage", async () => {
      const { snapshots, reopen } = await make();
      const { promise: forEver } = Promise.withResolvers<SnapshotUsage>();
      const entered = Promise.withResolvers<void>();
      void snapshots.createLayer(A, undefined, (directory) => {
        writeFileSync(join(directory, "half"), "");
        entered.resolve();
        return forEver;
      });
      await entered.promise;
      const next = await reopen();
      expect(next.hasLayer(A)).toBe(false);
      await next.settled();
    });

    test("staged layers are committed together, base first, whatever they were filled as", async () => {
      const { snapshots, reopen } = await make();
      const top = snapshots.stageLayer();
      const base = snapshots.stageLayer();
      writeFileSync(join(top.directory, "file"), "top");
      writeFileSync(join(base.directory, "file"), "base");
      await snapshots.commitLayers([
        { staged: base, chainId: A, parent: undefined, usage: USAGE },
        { staged: top, chainId: B, parent: A, usage: USAGE },
      ]);
      base.discard();
      top.discard();
      await snapshots.prepare("c1", B);
      const texts = snapshots.mount("c1").lowers.map((lower) => readFileSync(join(lower, "file"), "utf8"));
      expect(texts).toEqual(["top", "base"]);
      expect((await reopen()).mount("c1")).toEqual(snapshots.mount("c1"));
    });

    test("commitLayers() keeps the first of two layers with one name and whatever was placed before a failure", async () => {
      const { snapshots, reopen } = await make();
      const staged = [1, 2, 3].map(() => snapshots.stageLayer());
      const [first, second, third] = staged;
      if (first === undefined || second === undefined || third === undefined) throw new Error("three");
      const error = await rejection(
        snapshots.commitLayers([
          { staged: first, chainId: A, parent: undefined, usage: USAGE },
          { staged: second, chainId: A, parent: undefined, usage: { sizeBytes: 9, inodes: 9 } },
          { staged: third, chainId: B, parent: C, usage: USAGE },
        ]),
      );
      expect(isCategory(error, "not_found")).toBe(true);
      for (const layer of staged) layer.discard();
      for (const found of [snapshots, await reopen()])
        expect(found.layers()).toEqual([{ chainId: A, parent: undefined, usage: USAGE }]);
      await snapshots.removeLayer(A);
      expect(snapshots.hasLayer(A)).toBe(false);
    });

    test("two commits of one layer at the same time both succeed", async () => {
      const { snapshots } = await make();
      await Promise.all(
        [1, 2].map(() =>
          snapshots.commitLayers([
            { staged: snapshots.stageLayer(), chainId: A, parent: undefined, usage: USAGE },
          ]),
        ),
      );
      expect(snapshots.layers().length).toBe(1);
    });

    test("a layer needs its parent, and a stack ends at Docker's depth", async () => {
      const { snapshots } = await make();
      expect(isCategory(await rejection(snapshots.createLayer(B, A, fill("b"))), "not_found")).toBe(true);
      let parent: string | undefined;
      for (let depth = 0; depth < MAX_LAYERS; depth++) {
        const chainId = sha256Of(`layer ${depth}`);
        await snapshots.createLayer(chainId, parent, () => Promise.resolve(USAGE));
        parent = chainId;
      }
      const error = await rejection(snapshots.createLayer(A, parent, () => Promise.resolve(USAGE)));
      expect(error.message).toBe("max depth exceeded");
    });

    test("removeLayer() is refused while a layer or a container stands on it", async () => {
      const { snapshots, reopen } = await make();
      await snapshots.createLayer(A, undefined, fill("a"));
      await snapshots.createLayer(B, A, fill("b"));
      await snapshots.prepare("c1", B);
      for (const found of [snapshots, await reopen()]) {
        expect(isCategory(await rejection(found.removeLayer(A)), "conflict")).toBe(true);
        expect(isCategory(await rejection(found.removeLayer(B)), "conflict")).toBe(true);
      }
      await snapshots.remove("c1");
      await snapshots.removeLayer(B);
      await snapshots.removeLayer(A);
      await snapshots.removeLayer(A);
      expect(snapshots.layers()).toEqual([]);
      await snapshots.settled();
      expect((await reopen()).layers()).toEqual([]);
    });

    test("prepare() gives an empty upper directory with the root's usual mode, whatever the layer says", async () => {
      const { snapshots } = await make();
      await snapshots.createLayer(A, undefined, async (directory) => {
        const { chmod } = await import("node:fs/promises");
        await chmod(directory, 0o700);
        return USAGE;
      });
      await snapshots.prepare("c1", A);
      const { upper, work, lowers } = snapshots.mount("c1");
      expect(statSync(upper).mode & 0o7777).toBe(0o755);
      expect(statSync(work).isDirectory()).toBe(true);
      expect(lowers.length).toBe(1);
      expect(snapshots.active()).toEqual([{ id: "c1", parent: A }]);
    });

    test("prepare() without a parent gives an empty root, on one lower directory", async () => {
      const { snapshots, reopen } = await make();
      await snapshots.prepare("c1", undefined);
      const mount = snapshots.mount("c1");
      expect(mount.lowers.length).toBe(1);
      expect(statSync(mount.upper).mode & 0o7777).toBe(0o755);
      expect((await reopen()).mount("c1")).toEqual(mount);
    });

    test("prepare() refuses a taken id, a missing layer and a name that is a path", async () => {
      const { snapshots } = await make();
      await snapshots.prepare("c1", undefined);
      expect(isCategory(await rejection(snapshots.prepare("c1", undefined)), "conflict")).toBe(true);
      expect(isCategory(await rejection(snapshots.prepare("c2", A)), "not_found")).toBe(true);
      expect(isCategory(await rejection(snapshots.prepare("../c3", undefined)), "invalid_argument")).toBe(
        true,
      );
      expect(snapshots.active().length).toBe(1);
    });

    test("remove() forgets at once, frees the id, and a missing one is fine", async () => {
      const { snapshots, reopen } = await make();
      await snapshots.prepare("c1", undefined);
      writeFileSync(join(snapshots.mount("c1").upper, "file"), "data");
      await snapshots.remove("c1");
      await snapshots.remove("c1");
      expect(() => snapshots.mount("c1")).toThrow('snapshot "c1" does not exist');
      await snapshots.prepare("c1", undefined);
      expect((await snapshots.usage("c1", NEVER)).sizeBytes).toBe(0);
      await snapshots.settled();
      expect((await reopen()).active()).toEqual([{ id: "c1", parent: undefined }]);
    });

    test("usage() counts what the container wrote", async () => {
      const { snapshots } = await make();
      await snapshots.prepare("c1", undefined);
      writeFileSync(join(snapshots.mount("c1").upper, "file"), "12345");
      expect(await snapshots.usage("c1", NEVER)).toEqual({ sizeBytes: 5, inodes: 2 });
      expect(isCategory(await rejection(snapshots.usage("c2", NEVER)), "not_found")).toBe(true);
    });

    test("describe() has Docker's keys for containers and for layers", async () => {
      const { snapshots } = await make();
      await snapshots.createLayer(A, undefined, fill("a"));
      await snapshots.createLayer(B, A, fill("b"));
      await snapshots.prepare("c1", B);
      expect(Object.keys(snapshots.describe("c1"))).toEqual(["LowerDir", "MergedDir", "UpperDir", "WorkDir"]);
      expect(snapshots.describe("c1")["LowerDir"]).toBe(snapshots.mount("c1").lowers.join(":"));
      expect(Object.keys(snapshots.describe(A))).toEqual(["MergedDir", "UpperDir", "WorkDir"]);
      expect(snapshots.describe(B)["LowerDir"]).toBe(snapshots.describe(A)["UpperDir"] ?? "");
      expect(() => snapshots.describe("c2")).toThrow("does not exist");
    });
  });
}
