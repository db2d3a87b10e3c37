import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { isCategory } from "../../base/errors.ts";
import { rejection } from "../../base/testing/rejection.ts";
import { type TarItem, writeTar } from "../../base/tar-writer.ts";
import { chainIdsOf, sha256Of } from "../../specs/oci-image/digest.ts";
import {
  type ArchiveImage,
  blobOf,
  configOf,
  dockerArchive,
  dockerItems,
  indexBlob,
  layerOf,
  layoutItems,
  manifestBlobs,
} from "./testing/archives.ts";
import type { LoadedImage } from "./images.ts";
import { DEFAULT_EXPANSION } from "../unpack/expansion.ts";
import { PlainTrees } from "../snapshots/testing/plain-native.ts";
import { newRoot, openStore, type TestStore } from "./testing/store.ts";

const NEVER = new AbortController().signal;
const BASE = layerOf([
  { name: "etc/", kind: "directory" },
  { name: "etc/os", content: "base" },
]);
const TOP = layerOf([{ name: "etc/os", content: "top" }]);
const APP: ArchiveImage = { names: ["app:1"], layers: [BASE, TOP] };

let store: TestStore;

beforeEach(async () => {
  store = await openStore();
});

afterEach(async () => {
  await store[Symbol.asyncDispose]();
});

function streamOf(bytes: Uint8Array, pieceBytes = 700): Readable {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) pieces.push(bytes.subarray(at, at + pieceBytes));
  return Readable.from(pieces);
}

async function load(archive: Uint8Array): Promise<readonly LoadedImage[]> {
  return await store.images.load(streamOf(archive), NEVER);
}

/** Text of a file in each layer that has it, topmost first. */
function textsOf(chainId: string, path: string): string[] {
  const { UpperDir, LowerDir } = store.snapshots.describe(chainId);
  return [UpperDir ?? "", ...(LowerDir ?? "").split(":")]
    .filter((directory) => directory !== "")
    .map((directory) => readFileSync(join(directory, path), "utf8"));
}

async function expectRefused(archive: Uint8Array, message: string | RegExp): Promise<void> {
  const before = store.files();
  const error = await rejection(load(archive));
  expect(error.message).toMatch(message);
  expect(error.message).not.toContain("\n");
  expect(isCategory(error, "invalid_argument")).toBe(true);
  await store.snapshots.settled();
  expect(store.files()).toEqual(before);
  expect(store.leases.active()).toEqual([]);
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

function annotated(descriptor: object | undefined, name: string, platform?: object): object {
  return {
    ...descriptor,
    annotations: { "io.containerd.image.name": name },
    ...(platform === undefined ? {} : { platform }),
  };
}

/** One name, two platforms, an attestation. */
function multiPlatform(): { readonly archive: Buffer; readonly index: string } {
  const packed = (name: string) => layerOf([{ name }], gzipSync);
  const arm = manifestBlobs([packed("arm")], configOf([packed("arm")], { architecture: "arm64" }));
  const amd = manifestBlobs([packed("amd")]);
  const attestation = blobOf("application/vnd.oci.image.manifest.v1+json", { schemaVersion: 2 });
  const index = indexBlob([
    { ...arm[0]?.descriptor, platform: { os: "linux", architecture: "arm64" } },
    { ...amd[0]?.descriptor, platform: { os: "linux", architecture: "amd64" } },
    { ...attestation.descriptor, platform: { os: "unknown", architecture: "unknown" } },
  ]);
  const blobs = [...arm, ...amd, attestation, index];
  const archive = writeTar(layoutItems([annotated(index.descriptor, "multi:1")], blobs));
  return { archive, index: index.descriptor.digest };
}

describe("load() of an OCI layout", () => {
  test("takes names from containerd's annotation, and from the specification's when it is more than a tag", async () => {
    const one = manifestBlobs([BASE]);
    const two = manifestBlobs([TOP]);
    const three = manifestBlobs([BASE, TOP]);
    const named = (blob: object | undefined, name: string): object => ({
      ...blob,
      annotations: { "org.opencontainers.image.ref.name": name },
    });
    const loaded = await load(
      writeTar(
        layoutItems(
          [
            annotated(one[0]?.descriptor, "docker.io/library/one:1"),
            named(two[0]?.descriptor, "example.org/two:2"),
            named(three[0]?.descriptor, "latest"),
          ],
          [...one, ...two, ...three],
        ),
      ),
    );
    expect(loaded.map((image) => image.names)).toEqual([["one:1"], ["example.org/two:2"], []]);
  });

  test("keeps all platforms of an index under one name, showing this host's, and passes attestations by", async () => {
    const { archive, index } = multiPlatform();
    const loaded = await load(archive);
    expect(loaded.map(({ image }) => image.architecture)).toEqual(["arm64", "amd64"]);
    const name = store.images.name("multi:1");
    expect(name?.images.map(({ architecture }) => architecture)).toEqual(["amd64", "arm64"]);
    expect(name?.target?.digest).toBe(index);
    const [amd, arm] = name?.images ?? [];
    expect([amd?.tags, amd?.variantOf]).toEqual([["docker.io/library/multi:1"], []]);
    expect([arm?.tags, arm?.variantOf]).toEqual([[], ["docker.io/library/multi:1"]]);
    // Kept for the time when somebody pushes or saves it: the index, two manifests, configurations and layers each.
    expect(store.content.list().length).toBe(7);
    expect(store.images.resolve("multi:1").architecture).toBe("amd64");
    const platform = { os: "linux", architecture: "arm64", variant: "v8" };
    expect(store.images.resolve("multi:1", platform).architecture).toBe("arm64");
    expect(() => store.images.resolve("multi:1", { ...platform, architecture: "s390x" })).toThrow(
      "image with reference multi:1 was found but its platform (linux/amd64) does not match the specified platform (linux/s390x/v8)",
    );
  });

  test("gives the name to what is left when the shown variant goes, also after a restart", async () => {
    await load(multiPlatform().archive);
    await store.close();
    store = await openStore(store.root);
    await store.images.remove(store.images.resolve("multi:1").id);
    expect(store.images.resolve("multi:1").architecture).toBe("arm64");
    await store.close();
    store = await openStore(store.root);
    expect(store.images.name("multi:1")?.images.map(({ architecture }) => architecture)).toEqual(["arm64"]);
    await store.images.remove(store.images.resolve("multi:1").id);
    expect(store.images.name("multi:1")).toBeUndefined();
    await store.snapshots.settled();
    expect(store.files()).toEqual([]);
  });

  test("takes one platform of an index alone when it is asked for", async () => {
    const { archive } = multiPlatform();
    const platform = { os: "linux", architecture: "arm64", variant: "" };
    const loaded = await store.images.load(Readable.from([archive]), NEVER, platform);
    expect(loaded.map(({ image }) => image.architecture)).toEqual(["arm64"]);
    expect(store.images.resolve("multi:1").architecture).toBe("arm64");
    const other = { os: "linux", architecture: "s390x", variant: "" };
    expect((await rejection(store.images.load(Readable.from([archive]), NEVER, other))).message).toBe(
      "archive holds no image for platform linux/s390x, only for linux/arm64, linux/amd64",
    );
  });

  test("takes back what save() wrote of all platforms, with the same index, and of one", async () => {
    await load(multiPlatform().archive);
    const save = async (platform?: {
      os: string;
      architecture: string;
      variant: string;
    }): Promise<Buffer> => {
      const selected = store.images.select(["multi"], platform);
      const parts: Uint8Array[] = [];
      for await (const part of store.images.save(selected, NEVER)) parts.push(part);
      return Buffer.concat(parts);
    };
    const [all, one] = [await save(), await save({ os: "linux", architecture: "arm64", variant: "" })];
    const seen = async (archive: Buffer): Promise<unknown> => {
      await store.close();
      store = await openStore(newRoot());
      await load(archive);
      const name = store.images.name("multi:1");
      return [name?.images.map(({ architecture }) => architecture), name?.target?.digest];
    };
    expect(await seen(all)).toEqual([["amd64", "arm64"], multiPlatform().index]);
    expect(await seen(one)).toEqual([["arm64"], expect.not.stringMatching(multiPlatform().index)]);
  });

  test("takes back an index that save() had to make", async () => {
    const plain = manifestBlobs([BASE]);
    const arm = manifestBlobs([TOP], configOf([TOP], { architecture: "arm64" }));
    const index = indexBlob([
      { ...plain[0]?.descriptor, platform: { os: "linux", architecture: "amd64" } },
      { ...arm[0]?.descriptor, platform: { os: "linux", architecture: "arm64" } },
    ]);
    await load(writeTar(layoutItems([annotated(index.descriptor, "made:1")], [...plain, ...arm, index])));
    const parts: Uint8Array[] = [];
    for await (const part of store.images.save(store.images.select(["made:1"]), NEVER)) parts.push(part);
    await store.close();
    store = await openStore(newRoot());
    await load(Buffer.concat(parts));
    const found = store.images.name("made:1")?.images.map(({ architecture }) => architecture);
    expect(found).toEqual(["amd64", "arm64"]);
  });

  test("keeps no manifest of layers that are not compressed", async () => {
    const plain = manifestBlobs([BASE]);
    const [first] = await load(writeTar(layoutItems([annotated(plain[0]?.descriptor, "a:1")], plain)));
    expect(first?.image.manifest).toBeUndefined();
    const packed = manifestBlobs([layerOf([{ name: "packed" }], gzipSync)]);
    const [second] = await load(writeTar(layoutItems([annotated(packed[0]?.descriptor, "b:1")], packed)));
    expect(second?.image.manifest?.digest).toBe(packed[0]?.descriptor.digest ?? "");
  });

  test("chooses this host's image among those of one name in index.json itself", async () => {
    const arm = manifestBlobs([BASE], configOf([BASE], { architecture: "arm64" }));
    const amd = manifestBlobs([TOP]);
    const loaded = await load(
      writeTar(
        layoutItems(
          [
            annotated(arm[0]?.descriptor, "multi:1", { os: "linux", architecture: "arm64" }),
            annotated(amd[0]?.descriptor, "multi:1", { os: "linux", architecture: "amd64" }),
          ],
          [...arm, ...amd],
        ),
      ),
    );
    expect(loaded.map(({ image }) => image.architecture)).toEqual(["amd64"]);
  });

  test("refuses blobs that are not what their names or descriptors say", async () => {
    const blobs = manifestBlobs([BASE]);
    const [manifest] = blobs;
    if (manifest === undefined) throw new Error("no manifest");
    const items = layoutItems([manifest.descriptor], blobs);
    for (const at of [0, 1, 2]) {
      const lied = items.map((item, i) =>
        i === at ? { ...item, content: items[(at + 1) % 3]?.content ?? "" } : item,
      );
      await expectRefused(writeTar(lied), /archive member "blobs\/sha256\/[0-9a-f]{64}" has digest/);
      await expectRefused(writeTar(items.filter((_, i) => i !== at)), /archive does not hold blob "sha256:/);
    }
    await expectRefused(
      writeTar(layoutItems([{ ...manifest.descriptor, size: 5 }], blobs)),
      /has \d+ bytes instead of 5/,
    );
  });

  test("refuses an index of which nothing is there, one nested without end, and other media types", async () => {
    const arm = manifestBlobs([BASE]);
    const [, ...parts] = arm;
    const other = indexBlob([
      { ...arm[0]?.descriptor, platform: { os: "linux", architecture: "arm64" } },
      { ...arm[0]?.descriptor, platform: { os: "linux", architecture: "s390x" } },
    ]);
    await expectRefused(
      writeTar(layoutItems([other.descriptor], [...parts, other])),
      "no image for platform linux/amd64, only for linux/arm64, linux/s390x",
    );
    const nest = [indexBlob([arm[0]?.descriptor ?? {}])];
    for (let i = 0; i < 5; i++) nest.push(indexBlob([nest.at(-1)?.descriptor ?? {}]));
    await expectRefused(
      writeTar(layoutItems([nest.at(-1)?.descriptor ?? {}], [...arm, ...nest])),
      "nested too deeply",
    );
    await expectRefused(
      writeTar(layoutItems([{ ...arm[0]?.descriptor, mediaType: "text/html" }], arm)),
      'unsupported media type "text/html"',
    );
    await expectRefused(writeTar(layoutItems([], [])), "index.json names no image");
  });
});

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
