import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { rejection } from "../../base/testing/rejection.ts";
import { writeTar } from "../../base/tar-writer.ts";
import {
  annotated,
  blobOf,
  configOf,
  indexBlob,
  layerOf,
  layoutItems,
  manifestBlobs,
} from "./testing/archives.ts";
import type { LoadedImage } from "./images.ts";
import { BASE, expectRefusal, loadInto, NEVER, TOP } from "./testing/loading.ts";
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
