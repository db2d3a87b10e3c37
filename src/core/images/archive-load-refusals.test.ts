import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { type TarItem, writeTar } from "../../base/tar-writer.ts";
import { type ArchiveImage, configOf, dockerArchive, dockerItems, layerOf } from "./testing/archives.ts";
import type { LoadedImage } from "./images.ts";
import { APP, BASE, expectRefusal, loadInto, TOP } from "./testing/loading.ts";
import { openStore, type TestStore } from "./testing/store.ts";

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

describe("load() refuses", () => {
  const good = (): TarItem[] => dockerItems([APP]);
  const manifest = (value: unknown): TarItem => ({ name: "manifest.json", content: JSON.stringify(value) });

  const cases: readonly (readonly [string, () => Uint8Array, string | RegExp])[] = [
    ["garbage", () => Buffer.alloc(5000, "garbage!"), "archive/tar: invalid tar header"],
    ["nothing at all", () => Buffer.alloc(0), "holds no image"],
    ["an archive without a manifest", () => writeTar([{ name: "file", content: "x" }]), "holds no image"],
    ["a part of bzip2", () => Buffer.from("BZh91AY&SY"), "unexpected EOF"],
    [
      "something that begins like xz",
      () => Buffer.from("fd377a585a000000", "hex"),
      /^damaged xz data|unexpected EOF/,
    ],
    ["a truncated archive", () => dockerArchive([APP]).subarray(0, 3000), "unexpected EOF"],
    [
      "a truncated gzip",
      () => {
        const whole = gzipSync(dockerArchive([APP]));
        return whole.subarray(0, whole.length - 20);
      },
      "unexpected EOF",
    ],
    [
      "a truncated zstd",
      () => {
        const whole = zstdCompressSync(dockerArchive([APP]));
        return whole.subarray(0, whole.length - 20);
      },
      "unexpected EOF",
    ],
    [
      "damaged gzip data",
      () => {
        const whole = gzipSync(dockerArchive([APP]));
        whole.fill(0x55, 100, 200);
        return whole;
      },
      "damaged gzip data",
    ],
    [
      "a manifest that is no JSON",
      () => writeTar([...good(), { name: "manifest.json", content: "{" }]),
      "manifest.json: invalid JSON",
    ],
    [
      "a manifest that is garbage",
      () => writeTar([{ name: "manifest.json", content: "xx" }]),
      "manifest.json: invalid JSON",
    ],
    [
      "a manifest of another shape",
      () => writeTar([...good(), manifest([{ Config: 7 }])]),
      'field "manifest[0].Config"',
    ],
    [
      "a giant manifest",
      () => writeTar([{ name: "manifest.json", content: Buffer.alloc((4 << 20) + 1, " ") }]),
      "4194304 are allowed",
    ],
    [
      "more documents than fit into memory",
      () =>
        writeTar(
          Array.from({ length: 17 }, (_, i) => ({ name: `${i}.json`, content: Buffer.alloc(4 << 20, "[") })),
        ),
      "bytes of JSON documents",
    ],
    [
      "a missing configuration",
      () => writeTar([...good(), manifest([{ Config: "nope.json", Layers: [] }])]),
      'does not hold the configuration "nope.json"',
    ],
    [
      "a path out of the archive",
      () => writeTar([...good(), manifest([{ Config: "../../etc/passwd", Layers: [] }])]),
      "is outside of the archive",
    ],
    [
      "a member out of the archive",
      () => writeTar([{ name: "../x", content: "{}" }, ...good()]),
      "is outside of the archive",
    ],
    [
      "a link out of the archive",
      () => writeTar([{ name: "a/x", kind: "symlink", linkName: "../../x" }, ...good()]),
      "is outside of the archive",
    ],
    [
      "links in a circle",
      () =>
        writeTar([
          { name: "a", kind: "symlink", linkName: "b" },
          { name: "b", kind: "symlink", linkName: "a" },
          manifest([{ Config: "a", Layers: [] }]),
        ]),
      "too many levels of symbolic links",
    ],
    [
      "a missing layer",
      () => writeTar(good().filter((item) => item.name !== "image0-1/layer.tar")),
      'does not hold the layer "image0-1/layer.tar"',
    ],
    [
      "a layer that is none",
      () =>
        writeTar(
          good().map((item) => (item.name === "image0-1/layer.tar" ? { ...item, content: "hello" } : item)),
        ),
      "is neither a layer nor a JSON document",
    ],
    [
      "a layer that is a document",
      () =>
        writeTar(
          good().map((item) => (item.name === "image0-1/layer.tar" ? { ...item, content: "{}" } : item)),
        ),
      "is not a layer",
    ],
    [
      "a configuration that is a layer",
      () =>
        writeTar(
          good().map((item) =>
            item.name.endsWith(".json") && item.name.length > 60 ? { ...item, content: BASE.blob } : item,
          ),
        ),
      "is not a JSON document",
    ],
    [
      "a layer in xz",
      () =>
        writeTar(
          good().map((item) =>
            item.name === "image0-1/layer.tar"
              ? { ...item, content: Buffer.from("fd377a585a000000", "hex") }
              : item,
          ),
        ),
      "xz compression, which is not supported",
    ],
    [
      "a changed layer",
      () =>
        writeTar(
          good().map((item) =>
            item.name === "image0-1/layer.tar"
              ? { ...item, content: layerOf([{ name: "evil" }]).blob }
              : item,
          ),
        ),
      /invalid diffID for layer 1: expected "sha256:[0-9a-f]{64}", got "sha256:/,
    ],
    [
      "a truncated layer",
      () => dockerArchive([{ names: [], layers: [{ ...BASE, blob: BASE.blob.subarray(0, 1300) }] }]),
      "unexpected EOF",
    ],
    [
      "too few layers",
      () =>
        writeTar([
          { name: "c.json", content: configOf([BASE]) },
          manifest([{ Config: "c.json", Layers: [] }]),
        ]),
      "invalid manifest, layers length mismatch: expected 0, got 1",
    ],
    [
      "a configuration without rootfs",
      () => writeTar([{ name: "c.json", content: "{}" }, manifest([{ Config: "c.json", Layers: [] }])]),
      "invalid image JSON, no RootFS key",
    ],
    [
      "an image for Windows",
      () => dockerArchive([{ ...APP, config: configOf(APP.layers, { os: "windows" }) }]),
      "cannot load windows image on linux",
    ],
    [
      "a name in capitals",
      () => dockerArchive([{ ...APP, names: ["Foo:bar"] }]),
      "invalid reference format: repository name (library/Foo) must be lowercase",
    ],
    [
      "a name with a control character",
      () => dockerArchive([{ ...APP, names: ["foo\u0007"] }]),
      "invalid reference format",
    ],
    [
      "too many entries",
      () => writeTar(Array.from({ length: 20_001 }, () => ({ name: "x" }))),
      "more than 20000 entries",
    ],
  ];
  for (const [what, make, message] of cases)
    test(`${what}, in one line, and leaves nothing`, async () => {
      await expectRefused(make(), message);
    });

  test("all of an archive whose second image is bad", async () => {
    const bad: ArchiveImage = { names: ["bad"], layers: [TOP], config: configOf([BASE]) };
    await expectRefused(dockerArchive([APP, bad]), "invalid diffID for layer 0");
    expect(store.images.list()).toEqual([]);
  });

  test("an archive that breaks leaves an image that was there before untouched", async () => {
    await load(dockerArchive([APP]));
    await expectRefused(
      dockerArchive([APP, { names: ["bad"], layers: [TOP], config: Buffer.from("{}") }]),
      "RootFS",
    );
    expect(store.images.list().length).toBe(1);
  });

  test("every truncation and most single damaged bytes of a small archive, without a trace", async () => {
    const archive = dockerArchive([{ names: ["a"], layers: [TOP] }]);
    for (let length = 0; length < archive.length - 1024; length += 512)
      await expectRefused(archive.subarray(0, length), /unexpected EOF|holds no image/);
  });
});
