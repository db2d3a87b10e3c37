import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { isCategory } from "../../base/errors.ts";
import { rejection } from "../../base/testing/rejection.ts";
import { chainIdsOf, hexOf, sha256Of } from "../../specs/oci-image/digest.ts";
import type { Image } from "./images.ts";
import { type ArchiveImage, configOf, dockerArchive, layerOf } from "./testing/archives.ts";
import { directoriesOf } from "../snapshots/testing/directory-files.ts";
import { openStore, type TestStore } from "./testing/store.ts";

const NEVER = new AbortController().signal;
const BASE = layerOf([{ name: "base" }]);
const ONE = layerOf([{ name: "one" }]);
const TWO = layerOf([{ name: "two" }]);

let store: TestStore;

beforeEach(async () => {
  store = await openStore();
});

afterEach(async () => {
  await store[Symbol.asyncDispose]();
});

async function load(...images: ArchiveImage[]): Promise<Image[]> {
  const loaded = await store.images.load(Readable.from([dockerArchive(images)]), NEVER);
  return loaded.map(({ image }) => image);
}

async function loadOne(name: string, ...layers: ArchiveImage["layers"][number][]): Promise<Image> {
  const [image] = await load({ names: name === "" ? [] : [name], layers });
  if (image === undefined) throw new Error("nothing loaded");
  return image;
}

/** As if the process had died and started again. */
async function restart(): Promise<void> {
  await store.close();
  store = await openStore(store.root);
}

function caught(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error("did not throw");
}

describe("resolve()", () => {
  test("finds by familiar and full name, id, id without algorithm and unique prefix", async () => {
    const image = await loadOne("app:1", BASE);
    const hex = hexOf(image.id);
    const ways = [
      "app:1",
      "docker.io/library/app:1",
      image.id,
      hex,
      hex.slice(0, 12),
      `sha256:${hex.slice(0, 5)}`,
    ];
    for (const text of ways) expect(store.images.resolve(text).id).toBe(image.id);
  });

  test("looks for a name before it looks for an id", async () => {
    const image = await loadOne("app:1", BASE);
    const other = await loadOne("other", ONE);
    store.images.tag(other, hexOf(image.id).slice(0, 8));
    expect(store.images.resolve(hexOf(image.id).slice(0, 8)).id).toBe(other.id);
  });

  test("does not take a prefix of several for one of them", async () => {
    const images: Image[] = [];
    // Sixteen first digits: seventeen images cannot all differ in theirs.
    for (let i = 0; i < 17; i++) images.push(await loadOne("", layerOf([{ name: `${i}` }])));
    const digits = images.map((image) => hexOf(image.id).slice(0, 1));
    const twice = digits.find((digit, i) => digits.indexOf(digit) !== i) ?? "";
    const error = caught(() => store.images.resolve(twice));
    expect(isCategory(error, "not_found")).toBe(true);
    expect(error.message).toMatch(/^No such image: .:latest \(\d+ image ids begin like this\)$/);
  });

  test("answers in Docker's words for what is not there or cannot be", () => {
    const id = sha256Of("nothing");
    for (const [text, message] of [
      ["nope", "No such image: nope:latest"],
      ["nope:1", "No such image: nope:1"],
      ["sha256:abc", "No such image: sha256:abc"],
      [id, `No such image: ${id}`],
      [hexOf(id), `No such image: ${id}`],
      [`nope@${id}`, `No such image: nope@${id}`],
    ] as const) {
      const error = caught(() => store.images.resolve(text));
      expect(error.message).toBe(message);
      expect(isCategory(error, "not_found")).toBe(true);
    }
    expect(
      isCategory(
        caught(() => store.images.resolve("a b")),
        "invalid_argument",
      ),
    ).toBe(true);
    for (const text of ["__proto__", "constructor"])
      expect(
        isCategory(
          caught(() => store.images.resolve(text)),
          text === "constructor" ? "not_found" : "invalid_argument",
        ),
      ).toBe(true);
  });
});

describe("names", () => {
  test("move with tag(), show in the image, and survive a restart", async () => {
    const one = await loadOne("app:1", ONE);
    const two = await loadOne("app:2", TWO);
    const before = Date.now();
    store.images.tag(two, "app:1");
    store.images.tag(two, "example.org:5000/x/app");
    for (let round = 0; round < 2; round++) {
      expect(store.images.resolve(one.id).tags).toEqual([]);
      const image = store.images.resolve("app:1");
      expect(image.id).toBe(two.id);
      expect(image.tags).toEqual([
        "docker.io/library/app:1",
        "docker.io/library/app:2",
        "example.org:5000/x/app:latest",
      ]);
      expect(image.taggedAtMs).toBeGreaterThanOrEqual(before);
      await restart();
    }
  });

  test("go with untag(), and the image stays", async () => {
    const image = await loadOne("app:1", BASE);
    store.images.untag("app:1");
    expect(store.images.resolve(image.id).tags).toEqual([]);
    expect(caught(() => store.images.untag("app:1")).message).toBe("No such image: app:1");
    await restart();
    expect(store.images.list().map(({ id }) => id)).toEqual([image.id]);
  });

  test("are refused in Docker's words", async () => {
    const image = await loadOne("app:1", BASE);
    for (const [name, message] of [
      ["Foo", "invalid reference format: repository name (library/Foo) must be lowercase"],
      [`a@${image.id}`, "refusing to create a tag with a digest reference"],
      ["sha256", "refusing to create an ambiguous tag using digest algorithm as name"],
      ["sha256:abc", "refusing to create an ambiguous tag using digest algorithm as name"],
    ] as const)
      expect(caught(() => store.images.tag(image, name)).message).toBe(message);
    await store.images.remove(image.id);
    expect(
      isCategory(
        caught(() => store.images.tag(image, "late")),
        "not_found",
      ),
    ).toBe(true);
  });
});

describe("remove()", () => {
  test("takes what nothing else needs, topmost first, and leaves what others share", async () => {
    const one = await loadOne("one", BASE, ONE);
    await loadOne("two", BASE, TWO);
    const [, top] = chainIdsOf([BASE.diffId, ONE.diffId]);
    expect(await store.images.remove(one.id)).toEqual({ removedLayers: [top ?? ""] });
    expect(caught(() => store.images.resolve("one")).message).toBe("No such image: one:latest");
    expect(store.content.stat(ONE.digest)).toBeUndefined();
    expect(store.content.stat(BASE.digest)).toBeDefined();
    expect(store.content.stat(one.id)).toBeUndefined();
    const { removedLayers } = await store.images.remove(store.images.resolve("two").id);
    expect(removedLayers).toEqual(chainIdsOf([BASE.diffId, TWO.diffId]).toReversed());
    await store.snapshots.settled();
    expect(store.files()).toEqual([]);
    expect(isCategory(await rejection(store.images.remove(one.id)), "not_found")).toBe(true);
  });

  test("leaves the layers under a container until the container is gone", async () => {
    const image = await loadOne("app", BASE, ONE);
    await store.snapshots.prepare("c1", image.layers[1]?.chainId);
    expect(await store.images.remove(image.id)).toEqual({ removedLayers: [] });
    expect(directoriesOf(store.snapshots.mount("c1")).length).toBe(3);
    await restart();
    expect(directoriesOf(store.snapshots.mount("c1")).length).toBe(3);
    await store.snapshots.remove("c1");
    expect((await store.images.collect()).removedLayers.length).toBe(2);
    await store.snapshots.settled();
    expect(store.files()).toEqual([]);
  });

  test("leaves what a lease holds", async () => {
    const image = await loadOne("app", BASE, ONE);
    const lease = store.leases.acquire("pull");
    lease.holdBlob(BASE.digest);
    lease.holdLayer(BASE.diffId);
    expect((await store.images.remove(image.id)).removedLayers.length).toBe(1);
    expect(store.content.list().map(({ digest }) => digest)).toEqual([BASE.digest]);
    await lease[Symbol.asyncDispose]();
    expect((await store.images.collect()).removedLayers).toEqual([BASE.diffId]);
    expect(store.content.list()).toEqual([]);
  });
});

describe("a start", () => {
  test("finds every image as it was", async () => {
    await load({ names: ["one", "uno"], layers: [BASE, ONE] }, { names: [], layers: [BASE, TWO] });
    const before = store.images.list();
    await restart();
    expect(store.images.list().toSorted(byId)).toEqual([...before].toSorted(byId));
    expect(store.logged).toEqual([]);
  });

  test("collects what no image refers to", async () => {
    const image = await loadOne("one", BASE);
    const ingest = await store.content.begin({ holdBlob: () => {} });
    await ingest.write(Buffer.from("nobody's"));
    await ingest.commit();
    await store.snapshots.createLayer(sha256Of("nobody's"), BASE.diffId, async () => ({
      sizeBytes: 0,
      inodes: 1,
    }));
    await restart();
    expect(
      store.content
        .list()
        .map(({ digest }) => digest)
        .toSorted(),
    ).toEqual([BASE.digest, image.id].toSorted());
    expect(store.snapshots.layers().map(({ chainId }) => chainId)).toEqual([BASE.diffId]);
  });

  const damages: readonly (readonly [string, (image: Image) => void, RegExp])[] = [
    [
      "its layer's blob is gone",
      () => rmSync(join(store.root, "content/blobs/sha256", hexOf(BASE.digest))),
      /blob "sha256:[0-9a-f]+" is missing/,
    ],
    [
      "its configuration is gone",
      (image) => rmSync(join(store.root, "content/blobs/sha256", hexOf(image.id))),
      /blob "sha256:[0-9a-f]+" not found/,
    ],
    [
      "its configuration is damaged",
      (image) => writeFileSync(join(store.root, "content/blobs/sha256", hexOf(image.id)), "{}"),
      /is damaged/,
    ],
  ];
  for (const [what, damage, reason] of damages)
    test(`says that an image is damaged when ${what}; loading repairs it, removing removes it`, async () => {
      const image = await loadOne("app:1", BASE);
      const whole = await loadOne("whole", TWO);
      for (const repair of [true, false]) {
        damage(image);
        await restart();
        expect(store.images.list().map(({ id }) => id)).toEqual([whole.id]);
        expect(store.images.damaged()).toEqual([
          { id: image.id, reason: expect.stringMatching(reason), names: ["docker.io/library/app:1"] },
        ]);
        expect(store.logged.join("")).toContain(image.id);
        expect(
          isCategory(
            caught(() => store.images.resolve("app:1")),
            "unavailable",
          ),
        ).toBe(true);
        if (repair) {
          await loadOne("app:2", BASE);
          expect(store.images.damaged()).toEqual([]);
          expect(store.images.resolve("app:1").tags.length).toBe(2);
          store.images.untag("app:2");
        } else {
          await store.images.remove(image.id);
          expect(store.images.damaged()).toEqual([]);
        }
      }
      await store.images.remove(whole.id);
      await store.snapshots.settled();
      expect(store.files()).toEqual([]);
    });
});

describe("an image whose layers are not there", () => {
  test("is listed, and unpacked from its blobs once for all who want it", async () => {
    const image = await loadOne("app:1", BASE, TWO);
    rmSync(join(store.root, "snapshots/layers"), { recursive: true });
    await restart();
    const found = store.images.resolve("app:1");
    expect([found.id, store.images.damaged()]).toEqual([image.id, []]);
    expect(found.sizeBytes).toBe(BASE.blob.length + TWO.blob.length);
    const { applied } = store.native;
    await Promise.all([0, 1, 2].map(() => store.images.unpack(found, new AbortController().signal)));
    expect(store.native.applied - applied).toBe(2);
    expect(store.snapshots.layers().map(({ chainId }) => chainId)).toEqual(
      image.layers.map(({ chainId }) => chainId),
    );
    expect(store.images.resolve("app:1").sizeBytes).toBe(image.sizeBytes);
  });

  test("cannot be unpacked from a blob that is damaged: said in one line, and nothing is left", async () => {
    await loadOne("app:1", BASE);
    rmSync(join(store.root, "snapshots/layers"), { recursive: true });
    writeFileSync(join(store.root, "content/blobs/sha256", hexOf(BASE.digest)), "not what it was");
    await restart();
    const found = store.images.resolve("app:1");
    const error = await rejection(store.images.unpack(found, new AbortController().signal));
    expect(error.message).toStartWith("cannot unpack the image, load or pull it again: ");
    expect(isCategory(error, "unavailable")).toBe(true);
    expect(store.snapshots.layers()).toEqual([]);
  });
});

test("an image's configuration is the blob that its id names", async () => {
  const image = await loadOne("app:1", BASE);
  expect((await store.content.read(image.id, 1 << 20)).equals(configOf([BASE]))).toBe(true);
});

function byId(a: Image, b: Image): number {
  return a.id.localeCompare(b.id);
}
