import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { isCategory } from "../../base/errors.ts";
import { rejection } from "../../base/testing/rejection.ts";
import { writeTar } from "../../base/tar-writer.ts";
import { chainIdsOf, sha256Of } from "../../specs/oci-image/digest.ts";
import {
  annotated,
  type ArchiveImage,
  configOf,
  dockerArchive,
  dockerItems,
  layerOf,
  layoutItems,
  manifestBlobs,
} from "./testing/archives.ts";
import type { LoadedImage } from "./images.ts";
import { DEFAULT_EXPANSION } from "../unpack/expansion.ts";
import { PlainTrees } from "../snapshots/testing/plain-native.ts";
import { APP, BASE, expectRefusal, loadInto, NEVER, streamOf, TOP } from "./testing/loading.ts";
import { newRoot, openStore, type TestStore } from "./testing/store.ts";

let store: TestStore;

beforeEach(async () => {
  store = await openStore();
});

afterEach(async () => {
  await store[Symbol.asyncDispose]();
});

const load = (archive: Uint8Array): Promise<readonly LoadedImage[]> => loadInto(store, archive);
const expectRefused = (archive: Uint8Array, message: string | RegExp): Promise<void> =>
  expectRefusal(store, archive, message);

/** Text of a file in each layer that has it, topmost first. */
function textsOf(chainId: string, path: string): string[] {
  const { UpperDir, LowerDir } = store.snapshots.describe(chainId);
  return [UpperDir ?? "", ...(LowerDir ?? "").split(":")]
    .filter((directory) => directory !== "")
    .map((directory) => readFileSync(join(directory, path), "utf8"));
}

describe("load() of a docker-archive", () => {
  test("gives images with names, configuration and layers in place", async () => {
    const [loaded] = await load(dockerArchive([APP]));
    if (loaded === undefined) throw new Error("nothing loaded");
    const { image } = loaded;
    expect(image.id).toBe(sha256Of(configOf(APP.layers)));
    expect(loaded.names).toEqual(["app:1"]);
    expect(image.tags).toEqual(["docker.io/library/app:1"]);
    expect(image.config?.Cmd).toEqual(["/bin/sh"]);
    expect(image.layers.map((layer) => layer.chainId)).toEqual(chainIdsOf([BASE.diffId, TOP.diffId]));
    expect(image.sizeBytes).toBe(7);
    expect(textsOf(image.layers[1]?.chainId ?? "", "etc/os")).toEqual(["top", "base"]);
    expect(store.images.resolve("app:1")).toEqual(image);
    expect((await store.content.read(BASE.digest, 1 << 20)).equals(BASE.blob)).toBe(true);
  });

  test("finds manifest.json at the front just as well", async () => {
    await load(writeTar(dockerItems([APP]).toReversed()));
    expect(store.images.list().length).toBe(1);
  });

  const compressions: readonly (readonly [string, (bytes: Buffer) => Buffer])[] = [
    ["gzip", (bytes) => gzipSync(bytes)],
    ["zstd", (bytes) => zstdCompressSync(bytes)],
  ];
  for (const name of ["bzip2", "xz"])
    test(`takes ${name} around the archive`, async () => {
      await load(execFileSync(name, ["-c"], { input: dockerArchive([APP]) }));
      expect(store.images.resolve("app:1").layers[0]?.blob).toBe(BASE.digest);
    });
  for (const [name, compress] of compressions) {
    test(`takes ${name} around the archive`, async () => {
      await load(compress(dockerArchive([APP])));
      expect(store.images.resolve("app:1").layers[0]?.blob).toBe(BASE.digest);
    });

    test(`takes ${name} around a layer, keeps it as it came and checks what is inside`, async () => {
      const layer = layerOf([{ name: "file", content: "x".repeat(5000) }], compress);
      const [loaded] = await load(dockerArchive([{ names: [], layers: [layer] }]));
      expect(loaded?.image.layers).toEqual([
        {
          diffId: layer.diffId,
          chainId: layer.diffId,
          blob: layer.digest,
          mediaType: `application/vnd.oci.image.layer.v1.tar+${name}`,
          sizeBytes: layer.blob.length,
        },
      ]);
      expect(loaded?.names).toEqual([]);
    });
  }

  test("stores one diff once, for every place that it has in the archive's images", async () => {
    const again: ArchiveImage = { names: ["again"], layers: [TOP, BASE, TOP] };
    await load(dockerArchive([APP, again]));
    const chain = chainIdsOf([TOP.diffId, BASE.diffId, TOP.diffId]);
    expect(textsOf(chain[2] ?? "", "etc/os")).toEqual(["top", "base", "top"]);
    expect(store.content.list().length).toBe(4);
    expect(store.native.syncs).toBeLessThan(5);
  });

  test("loads the same archive again without unpacking it twice when blobs are named by digest", async () => {
    const blobs = manifestBlobs(APP.layers);
    const archive = writeTar(
      layoutItems([annotated(blobs[0]?.descriptor, "docker.io/library/app:1")], blobs),
    );
    await load(archive);
    const files = store.files();
    const applied = store.native.applied;
    const [loaded] = await load(archive);
    expect(loaded?.takenOver).toEqual([]);
    expect(store.native.applied).toBe(applied);
    expect(store.files()).toEqual(files);
  });

  test("takes a name over and tells from whom", async () => {
    const [first] = await load(dockerArchive([APP]));
    const [second] = await load(dockerArchive([{ names: ["app:1"], layers: [BASE] }]));
    expect(second?.takenOver).toEqual([{ name: "app:1", id: first?.image.id ?? "" }]);
    expect(store.images.resolve(first?.image.id ?? "").tags).toEqual([]);
    expect(store.images.list().length).toBe(2);
  });

  test("loads an empty list of images as nothing", async () => {
    expect(await load(writeTar([{ name: "manifest.json", content: "[]" }]))).toEqual([]);
  });

  test("leaves nothing of members that no image refers to", async () => {
    const items = [
      ...dockerItems([APP]),
      { name: "stray/layer.tar", content: layerOf([{ name: "x" }]).blob },
    ];
    await load(writeTar(items));
    await store.snapshots.settled();
    expect(store.files().length).toBe(3 + 2);
  });
});

describe("load()", () => {
  test("refuses a bomb, whether the archive or a layer in it expands", async () => {
    await store[Symbol.asyncDispose]();
    store = await openStore(newRoot(), new PlainTrees(), {
      maxRatio: 20,
      freeBytes: 100_000,
      maxBytes: 1e9,
    });
    const zeros = layerOf([{ name: "zeros", content: Buffer.alloc(2_000_000) }]);
    const bomb = dockerArchive([{ names: ["bomb"], layers: [zeros] }]);
    await expectRefused(gzipSync(bomb), "refused as a decompression bomb");
    await expectRefused(zstdCompressSync(bomb), "refused as a decompression bomb");
    const inside = layerOf([{ name: "zeros", content: Buffer.alloc(2_000_000) }], (tar) => gzipSync(tar));
    await expectRefused(dockerArchive([{ names: [], layers: [inside] }]), "refused as a decompression bomb");
    await load(bomb);
    expect(store.images.list().length).toBe(1);
  });

  test("ends with its signal and leaves nothing", async () => {
    const archive = dockerArchive([APP]);
    const abort = new AbortController();
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield archive.subarray(0, 2000);
      abort.abort(new Error("client went away"));
      yield archive.subarray(2000);
    }
    const error = await rejection(store.images.load(Readable.from(slow()), abort.signal));
    expect(error.message).toContain("client went away");
    await store.snapshots.settled();
    expect(store.files()).toEqual([]);
  });

  test("leaves the stream of a refused archive to its owner", async () => {
    const stream = streamOf(Buffer.alloc(100_000, "garbage!"));
    expect((await rejection(store.images.load(stream, NEVER))).message).toBe(
      "archive/tar: invalid tar header",
    );
    expect(stream.destroyed).toBe(false);
    stream.destroy();
  });

  test("reports a connection that breaks and leaves nothing", async () => {
    const archive = dockerArchive([APP]);
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield archive.subarray(0, 2000);
      throw new Error("connection reset");
    }
    const error = await rejection(store.images.load(Readable.from(broken()), NEVER));
    expect(error.message).toBe("cannot load the archive: connection reset");
    await store.snapshots.settled();
    expect(store.files()).toEqual([]);
  });

  test("says in one line that the disk is full and leaves nothing", async () => {
    await store[Symbol.asyncDispose]();
    class FullDisk extends PlainTrees {
      override applyLayer(): Promise<never> {
        return Promise.reject(Object.assign(new Error("write failed"), { code: "ENOSPC" }));
      }
    }
    store = await openStore(newRoot(), new FullDisk());
    const error = await rejection(load(dockerArchive([APP])));
    expect(error.message).toBe("cannot load the archive: no space left on device");
    expect(isCategory(error, "unavailable")).toBe(true);
    await store.snapshots.settled();
    expect(store.files()).toEqual([]);
  });

  test("unpacks what found no room from the blobs when room could be made, once for each layer", async () => {
    await store[Symbol.asyncDispose]();
    let makes = 0;
    let isFull = true;
    class FullDisk extends PlainTrees {
      override async applyLayer(...args: Parameters<PlainTrees["applyLayer"]>) {
        if (!isFull) return await super.applyLayer(...args);
        for await (const _ of args[1]) break; // half of it
        throw Object.assign(new Error("write failed"), { code: "ENOSPC" });
      }
    }
    const make = async (): Promise<boolean> => {
      makes++;
      isFull = makes > 1;
      return true;
    };
    store = await openStore(newRoot(), new FullDisk(), DEFAULT_EXPANSION, { times: 0, make });
    await load(dockerArchive([APP]));
    expect([store.images.list().length, makes]).toEqual([1, 1]);
    await store.snapshots.settled();
    expect(store.files().length).toBe(3 + 2);
    await store.images.remove(store.images.list()[0]?.id ?? "");
    isFull = true;
    const error = await rejection(load(dockerArchive([APP])));
    expect([error.message, makes]).toEqual(["cannot load the archive: no space left on device", 2]);
    await store.snapshots.settled();
    expect(store.files()).toEqual([]);
  });

  test("of one archive by many at once gives one image", async () => {
    const archive = dockerArchive([APP]);
    await Promise.all(Array.from({ length: 5 }, () => load(archive)));
    expect(store.images.list().length).toBe(1);
    await store.snapshots.settled();
    expect(store.files().length).toBe(3 + 2);
  });

  test("keeps its layers from a collection that comes while it still unpacks", async () => {
    await store[Symbol.asyncDispose]();
    const collected: string[] = [];
    class Collecting extends PlainTrees {
      override async applyLayer(...args: Parameters<PlainTrees["applyLayer"]>) {
        collected.push(...(await store.images.collect()).removedLayers);
        return await super.applyLayer(...args);
      }
    }
    store = await openStore(newRoot(), new Collecting());
    // The second place of TOP is unpacked from its blob, when the layers below are committed and nobody's yet.
    const [loaded] = await load(dockerArchive([{ names: [], layers: [TOP, BASE, TOP] }]));
    expect(collected).toEqual([]);
    expect(loaded?.image.layers.length).toBe(3);
    expect(store.snapshots.layers().length).toBe(3);
  });

  test("counts what follows a layer's end mark as part of the layer", async () => {
    for (const compress of [(tar: Buffer) => tar, (tar: Buffer) => gzipSync(tar)]) {
      const tar = Buffer.concat([writeTar([{ name: "file" }]), Buffer.alloc(1_000_000)]);
      const layer = { tar, diffId: sha256Of(tar), blob: compress(tar), digest: sha256Of(compress(tar)) };
      const [loaded] = await load(dockerArchive([{ names: [], layers: [layer] }]));
      expect(loaded?.image.layers[0]?.diffId).toBe(layer.diffId);
    }
  });

  test("and a failing load of the same layers at the same time do not disturb each other", async () => {
    const bad = dockerArchive([{ ...APP, config: Buffer.from("{}") }]);
    const good = dockerArchive([APP]);
    const results = await Promise.allSettled([load(bad), load(good), load(bad), load(good)]);
    expect(results.map((result) => result.status)).toEqual([
      "rejected",
      "fulfilled",
      "rejected",
      "fulfilled",
    ]);
    await store.snapshots.settled();
    expect(store.files().length).toBe(3 + 2);
  });
});
