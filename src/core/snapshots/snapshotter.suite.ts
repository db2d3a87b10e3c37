/** What every implementation of Snapshotter must do. `reopen` is what the next start finds after a kill. */
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { isCategory } from "../../base/errors.ts";
import { type TarItem, writeTar } from "../../base/tar-writer.ts";
import { rejection } from "../../base/testing/rejection.ts";
import { sha256Of } from "../../specs/oci-image/digest.ts";
import {
  MAX_LAYERS,
  type RootfsMount,
  type Snapshotter,
  type SnapshotUsage,
  type StagedLayer,
} from "./snapshotter.ts";

/** A container's root as its processes would see it. Implementations that need a mount for it need root. */
export interface SnapshotFiles {
  /** undefined = there is no such file. */
  read(mount: RootfsMount, name: string): string | undefined;
  write(mount: RootfsMount, name: string, text: string): void;
  rootMode(mount: RootfsMount): number;
}

export interface SnapshotterUnderTest {
  readonly snapshots: Snapshotter;
  readonly reopen: () => Promise<Snapshotter>;
  readonly files: SnapshotFiles;
}

const NEVER = new AbortController().signal;
const A = sha256Of("a");
const B = sha256Of("b");
const C = sha256Of("c");
const USAGE: SnapshotUsage = { sizeBytes: 3, inodes: 2 };

export async function* layerTar(items: readonly TarItem[]): AsyncGenerator<Uint8Array> {
  yield writeTar(items);
}

function fill(text: string, name = "file"): (staged: StagedLayer) => Promise<SnapshotUsage> {
  return async (staged) => {
    await staged.apply(layerTar([{ name, content: text }]), NEVER);
    return USAGE;
  };
}

const nothing = (): Promise<SnapshotUsage> => Promise.resolve(USAGE);

/** As from a stream that breaks in the middle of a file. */
async function* half(then: () => Promise<never>): AsyncGenerator<Uint8Array> {
  yield writeTar([{ name: "half", content: "half" }]).subarray(0, 514);
  await then();
}

export function snapshotterSuite(name: string, make: () => Promise<SnapshotterUnderTest>): void {
  describe(name, () => {
    test("the care finds nothing in whole layers, and exchanges one for the same", async () => {
      const { snapshots, reopen } = await make();
      const right = async (staged: StagedLayer): Promise<SnapshotUsage> =>
        await staged.apply(layerTar([{ name: "file", content: "right" }]), NEVER);
      await snapshots.createLayer(A, undefined, right);
      await snapshots.createLayer(B, A, right);
      const check = async (each: Snapshotter): Promise<readonly (string | undefined)[]> => [
        await each.care.check(A, NEVER),
        await each.care.check(B, NEVER),
        await each.care.compare(A, right, NEVER),
        await each.care.compare(B, right, NEVER),
      ];
      expect(await check(snapshots)).toEqual([undefined, undefined, undefined, undefined]);
      expect(await snapshots.care.compare(B, fill("other"), NEVER)).toBe(
        "its files are not those of its blob",
      );
      const staged = snapshots.stageLayer();
      await snapshots.care.replace({ staged, chainId: A, parent: undefined, usage: await right(staged) });
      staged.discard();
      for (const each of [snapshots, await reopen()]) {
        expect(await check(each)).toEqual([undefined, undefined, undefined, undefined]);
        expect(each.care.strangers()).toEqual([]);
      }
    });

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
      const apply = async (staged: StagedLayer): Promise<SnapshotUsage> => {
        runs++;
        return await fill("a")(staged);
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
        snapshots.createLayer(A, undefined, (staged) =>
          staged.apply(
            half(() => Promise.reject(new Error("damaged archive"))),
            NEVER,
          ),
        ),
      );
      expect(error.message).toBe("damaged archive");
      expect(snapshots.hasLayer(A)).toBe(false);
      expect((await reopen()).layers()).toEqual([]);
      await snapshots.createLayer(A, undefined, fill("a"));
      expect(snapshots.hasLayer(A)).toBe(true);
    });

    test("a layer that was being filled at a crash is garbage", async () => {
      const { snapshots, reopen } = await make();
      const entered = Promise.withResolvers<void>();
      const abort = new AbortController();
      const filling = snapshots.createLayer(A, undefined, (staged) =>
        staged.apply(
          half(() => {
            entered.resolve();
            return new Promise<never>((_, reject) => {
              abort.signal.addEventListener("abort", () => reject(new Error("killed")));
            });
          }),
          abort.signal,
        ),
      );
      const failed = rejection(filling);
      await entered.promise;
      const next = await reopen();
      expect(next.hasLayer(A)).toBe(false);
      await next.settled();
      abort.abort(new Error("killed"));
      await failed;
    });

    test("staged layers are committed together, base first, whatever they were filled as", async () => {
      const { snapshots, reopen, files } = await make();
      const top = snapshots.stageLayer();
      const base = snapshots.stageLayer();
      await top.apply(layerTar([{ name: "file", content: "top" }]), NEVER);
      await base.apply(
        layerTar([
          { name: "file", content: "base" },
          { name: "below", content: "below" },
        ]),
        NEVER,
      );
      await snapshots.commitLayers([
        { staged: base, chainId: A, parent: undefined, usage: USAGE },
        { staged: top, chainId: B, parent: A, usage: USAGE },
      ]);
      base.discard();
      top.discard();
      await snapshots.prepare("c1", B);
      const mount = snapshots.mount("c1");
      expect([files.read(mount, "file"), files.read(mount, "below")]).toEqual(["top", "below"]);
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
        await snapshots.createLayer(chainId, parent, nothing);
        parent = chainId;
      }
      const error = await rejection(snapshots.createLayer(A, parent, nothing));
      expect(error.message).toBe("max depth exceeded");
    }, 60_000);

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

    test("prepare() gives a root with the usual mode, whatever the layer says", async () => {
      const { snapshots, files } = await make();
      await snapshots.createLayer(A, undefined, async (staged) => {
        await staged.apply(
          layerTar([
            { name: "./", kind: "directory", mode: 0o700 },
            { name: "file", content: "text" },
          ]),
          NEVER,
        );
        return USAGE;
      });
      await snapshots.prepare("c1", A);
      const mount = snapshots.mount("c1");
      expect(files.rootMode(mount)).toBe(0o755);
      expect(files.read(mount, "file")).toBe("text");
      expect(snapshots.active()).toEqual([{ id: "c1", parent: A }]);
    });

    test("persist() is for what was prepared", async () => {
      const { snapshots } = await make();
      await snapshots.prepare("c1", undefined);
      await snapshots.persist("c1");
      expect(isCategory(await rejection(snapshots.persist("c2")), "not_found")).toBe(true);
    });

    test("prepare() without a parent gives an empty root", async () => {
      const { snapshots, reopen, files } = await make();
      await snapshots.prepare("c1", undefined);
      const mount = snapshots.mount("c1");
      expect(files.rootMode(mount)).toBe(0o755);
      expect(files.read(mount, "file")).toBeUndefined();
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
      const { snapshots, reopen, files } = await make();
      await snapshots.prepare("c1", undefined);
      files.write(snapshots.mount("c1"), "file", "data");
      await snapshots.remove("c1");
      await snapshots.remove("c1");
      expect(() => snapshots.mount("c1")).toThrow('snapshot "c1" does not exist');
      await snapshots.prepare("c1", undefined);
      expect((await snapshots.usage("c1", NEVER)).sizeBytes).toBe(0);
      await snapshots.settled();
      expect((await reopen()).active()).toEqual([{ id: "c1", parent: undefined }]);
    });

    test("what one container writes no other sees, nor the layer below", async () => {
      const { snapshots, reopen, files } = await make();
      await snapshots.createLayer(A, undefined, fill("layer"));
      await snapshots.prepare("c1", A);
      await snapshots.prepare("c2", A);
      files.write(snapshots.mount("c1"), "file", "mine");
      await snapshots.prepare("c3", A);
      for (const found of [snapshots, await reopen()])
        expect(["c1", "c2", "c3"].map((id) => files.read(found.mount(id), "file"))).toEqual([
          "mine",
          "layer",
          "layer",
        ]);
    });

    test("a scratch directory is empty, takes files, and goes when it is discarded or at the next start", async () => {
      const { snapshots, reopen } = await make();
      const [one, other] = [snapshots.makeScratch(), snapshots.makeScratch()];
      for (const { directory } of [one, other]) {
        expect(readdirSync(directory)).toEqual([]);
        mkdirSync(join(directory, "below"));
      }
      one.discard();
      one.discard();
      expect([existsSync(one.directory), existsSync(other.directory)]).toEqual([false, true]);
      const next = await reopen();
      expect(existsSync(other.directory)).toBe(false);
      await next.settled();
    });

    test("usage() counts what the container wrote", async () => {
      const { snapshots, files } = await make();
      await snapshots.prepare("c1", undefined);
      files.write(snapshots.mount("c1"), "file", "12345");
      expect((await snapshots.usage("c1", NEVER)).sizeBytes).toBe(5);
      expect(isCategory(await rejection(snapshots.usage("c2", NEVER)), "not_found")).toBe(true);
    });

    test("describe() knows containers and layers, and nothing else", async () => {
      const { snapshots } = await make();
      await snapshots.createLayer(A, undefined, fill("a"));
      await snapshots.prepare("c1", A);
      for (const id of ["c1", A])
        for (const path of Object.values(snapshots.describe(id))) expect(path).toStartWith("/");
      expect(() => snapshots.describe("c2")).toThrow("does not exist");
    });
  });
}
