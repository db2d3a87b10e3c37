import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { rejection } from "../../base/testing/rejection.ts";
import type { Platform } from "../../specs/oci-image/manifest.ts";
import type { LayerStep, PulledImage, TransferEvent } from "./images.ts";
import { blobOf, configOf, dockerArchive, indexBlob, layerOf, manifestBlobs } from "./testing/archives.ts";
import { FakeRegistry } from "./testing/fake-registry.ts";
import { openStore, type TestStore } from "./testing/store.ts";

const NEVER = new AbortController().signal;
const ARM: Platform = { os: "linux", architecture: "arm64", variant: "" };
const packed = (name: string, content: Buffer | string = name) => layerOf([{ name, content }], gzipSync);
const BASE = packed("base");
const BIG = packed("big", randomBytes(300_000));

let store: TestStore;
let registry: FakeRegistry;

beforeEach(async () => {
  store = await openStore();
  registry = new FakeRegistry();
});

afterEach(async () => {
  await store[Symbol.asyncDispose]();
});

interface Pulling {
  readonly events: TransferEvent[];
  readonly done: Promise<PulledImage>;
}

function start(text: string, platform?: Platform, signal = NEVER): Pulling {
  const events: TransferEvent[] = [];
  const request = { repository: registry.open(text), platform };
  return { events, done: store.images.pull(request, (event) => void events.push(event), signal) };
}

async function pull(text: string, platform?: Platform): Promise<PulledImage> {
  return await start(text, platform).done;
}

/** Other bytes of the same length. */
function overwrite(digest: string): void {
  const path = join(store.root, "content", "blobs", "sha256", digest.slice(7));
  writeFileSync(path, readFileSync(path).fill(0x20, 10));
}

function stepsOf(events: readonly TransferEvent[], layer: string): LayerStep["step"][] {
  return events.flatMap((event) => (event.kind === "layer" && event.layer === layer ? event.step.step : []));
}

/** amd64 and arm64 on a common base. */
function putMulti(text: string): string {
  const amd = manifestBlobs([BASE, packed("amd")]);
  const arm = manifestBlobs(
    [BASE, packed("arm")],
    configOf([BASE, packed("arm")], { architecture: "arm64" }),
  );
  const index = indexBlob([
    { ...amd[0]?.descriptor, platform: { os: "linux", architecture: "amd64" } },
    { ...arm[0]?.descriptor, platform: { os: "linux", architecture: "arm64", variant: "v8" } },
  ]);
  registry.put(text, [index, ...amd, ...arm]);
  return index.descriptor.digest;
}

describe("pull()", () => {
  test("makes an image with its manifest, its name and the steps of each layer", async () => {
    const blobs = manifestBlobs([BASE, BIG]);
    registry.put("r.io/app:1", blobs);
    const { events, done } = start("r.io/app:1");
    const { image, target, isUpToDate } = await done;
    expect(isUpToDate).toBe(false);
    expect(target.digest).toBe(blobs[0]?.descriptor.digest ?? "");
    expect(image.manifest).toEqual(target);
    expect(image.tags).toEqual(["r.io/app:1"]);
    expect(image.digests).toEqual([`r.io/app@${target.digest}`]);
    expect(image.layers.map(({ blob }) => blob)).toEqual([BASE.digest, BIG.digest]);
    expect(events[0]).toEqual({ kind: "resolved" });
    expect(stepsOf(events, BIG.digest)).toEqual(
      expect.arrayContaining([
        "announced",
        "downloading",
        "verifying",
        "downloaded",
        "extracting",
        "complete",
      ]),
    );
    expect(store.images.resolve(`r.io/app@${target.digest}`).id).toBe(image.id);
    await store.snapshots.settled();
    expect(store.files().filter((name) => /ingest|staging/.test(name))).toEqual([]);
  });

  test("again asks once and says that it is up to date", async () => {
    registry.put("r.io/app:1", manifestBlobs([BASE]));
    await pull("r.io/app:1");
    registry.asked.length = 0;
    expect((await pull("r.io/app:1")).isUpToDate).toBe(true);
    expect(registry.asked).toEqual(["HEAD app manifest"]);
  });

  test("fetches no layer that is here, neither of another image nor by another manifest", async () => {
    registry.put("r.io/one", manifestBlobs([BASE]));
    registry.put("r.io/two", manifestBlobs([BASE, BIG]));
    await pull("r.io/one");
    registry.asked.length = 0;
    const { events, done } = start("r.io/two");
    const { image } = await done;
    expect(stepsOf(events, BASE.digest)).toEqual(["exists"]);
    expect(registry.asked.filter((line) => line.includes(BASE.digest))).toEqual([]);
    // The same diffs and configuration, packed differently: the image is here.
    const other = layerOf([{ name: "base", content: "base" }], (tar) => gzipSync(tar, { level: 0 }));
    registry.put("r.io/three", manifestBlobs([other], configOf([BASE])));
    registry.asked.length = 0;
    const third = await pull("r.io/three");
    expect(third.image.tags).toEqual(["r.io/one:latest", "r.io/three:latest"]);
    expect(registry.asked.filter((line) => line.includes(other.digest))).toEqual([]);
    expect(image.layers.length).toBe(2);
  });

  test("does not fetch what was loaded from an archive", async () => {
    await store.images.load(Readable.from([dockerArchive([{ names: ["local:1"], layers: [BASE] }])]), NEVER);
    registry.put("r.io/app", manifestBlobs([BASE]));
    const { image } = await pull("r.io/app");
    expect(registry.asked.filter((line) => line.includes(BASE.digest))).toEqual([]);
    expect(image.tags).toEqual(["docker.io/library/local:1", "r.io/app:latest"]);
  });

  test("keeps all platforms of one target under the name and shows this host's", async () => {
    const index = putMulti("r.io/multi");
    const arm = await pull("r.io/multi", ARM);
    expect(store.images.resolve("r.io/multi").id).toBe(arm.image.id);
    const amd = await pull("r.io/multi");
    expect([arm.isUpToDate, amd.isUpToDate]).toEqual([false, false]);
    expect(amd.image.digests).toEqual([`r.io/multi@${index}`]);
    expect(store.images.resolve("r.io/multi").id).toBe(amd.image.id);
    expect(store.images.resolve("r.io/multi", ARM).id).toBe(arm.image.id);
    expect((await pull("r.io/multi", ARM)).isUpToDate).toBe(true);
    // Another index by the same tag takes the name with all its platforms.
    registry.put("r.io/multi", manifestBlobs([BIG]));
    await pull("r.io/multi");
    expect(store.images.name("r.io/multi")?.images.length).toBe(1);
    expect(store.images.resolve(arm.image.id).variantOf).toEqual([]);
  });

  test("refuses a platform that is not offered, in Docker's words", async () => {
    putMulti("r.io/multi");
    const error = await rejection(pull("r.io/multi", { os: "linux", architecture: "s390x", variant: "" }));
    expect(error.message).toBe("no matching manifest for linux/s390x in the manifest list entries");
  });

  test("refuses layers that are not the configuration's, and leaves nothing", async () => {
    registry.put("r.io/lie", manifestBlobs([BASE], configOf([BIG])));
    expect((await rejection(pull("r.io/lie"))).message).toBe(
      "layers from manifest don't match image configuration",
    );
    registry.put("r.io/short", manifestBlobs([BASE], configOf([BASE, BIG])));
    expect((await rejection(pull("r.io/short"))).message).toBe(
      "layers from manifest don't match image configuration",
    );
    await store.snapshots.settled();
    expect(store.files()).toEqual([]);
  });

  test("refuses a blob with other bytes than its digest's", async () => {
    const blobs = manifestBlobs([BIG]);
    registry.put("r.io/lie", blobs);
    const wrong = Buffer.from(BIG.blob);
    wrong.fill(0, wrong.length - 8);
    registry.contents("lie").blobs.set(BIG.digest, wrong);
    await rejection(pull("r.io/lie"));
    await store.snapshots.settled();
    expect(store.files()).toEqual([]);
  });

  test("goes on where a broken download ended", async () => {
    registry.put("r.io/app", manifestBlobs([BIG]));
    registry.onChunk = (digest, offset) => {
      if (digest === BIG.digest && offset >= 128 << 10) throw new Error("connection lost");
    };
    expect((await rejection(pull("r.io/app"))).message).toContain("connection lost");
    registry.onChunk = () => {};
    registry.asked.length = 0;
    await pull("r.io/app");
    expect(registry.asked).toContain(`GET app ${BIG.digest} from ${128 << 10}`);
  });

  test("starts anew when what was there is damaged", async () => {
    registry.put("r.io/app", manifestBlobs([BIG]));
    const lease = store.leases.acquire("test");
    const ingest = await store.content.begin(lease, BIG.digest);
    await ingest.write(Buffer.concat([BIG.blob.subarray(0, 50_000), Buffer.alloc(1000)]));
    await ingest.suspend();
    await lease[Symbol.asyncDispose]();
    const { image } = await pull("r.io/app");
    expect(image.layers[0]?.blob).toBe(BIG.digest);
    expect(registry.asked).toContain(`GET app ${BIG.digest} from 51000`);
    expect(registry.asked).toContain(`GET app ${BIG.digest}`);
  });

  test("mends an image that a disk damaged, whatever of it", async () => {
    const blobs = manifestBlobs([BASE, BIG]);
    registry.put("r.io/app", blobs);
    const { image } = await pull("r.io/app");
    const damages: readonly (readonly [string, () => Promise<void>])[] = [
      ["the configuration", async () => overwrite(image.id)],
      ["a layer's blob", async () => await store.content.delete(BIG.digest)],
      [
        "a layer and the bytes of its blob",
        async () => {
          overwrite(BIG.digest);
          await store.snapshots.removeLayer(image.layers[1]?.chainId ?? "");
        },
      ],
      ["the manifest", async () => overwrite(image.manifest?.digest ?? "")],
    ];
    for (const [what, damage] of damages) {
      await damage();
      await store.close();
      store = await openStore(store.root);
      await pull("r.io/app");
      expect([what, store.images.damaged()]).toEqual([what, []]);
      for (const { digest } of store.content.list())
        expect((await store.content.read(digest, 1 << 20)).length).toBeGreaterThan(0);
      expect(store.images.resolve("r.io/app").manifest?.digest).toBe(blobs[0]?.descriptor.digest ?? "");
    }
  });

  test("refuses more layers than a stack may have before it fetches one", async () => {
    registry.put("r.io/deep", manifestBlobs(Array.from({ length: 126 }, () => BASE)));
    expect((await rejection(pull("r.io/deep"))).message).toBe("max depth exceeded");
    expect(registry.asked.filter((line) => line.includes(BASE.digest))).toEqual([]);
  });

  test("puts one diff at two places of a stack", async () => {
    registry.put("r.io/twice", manifestBlobs([BASE, BIG, BASE]));
    const { image } = await pull("r.io/twice");
    expect(new Set(image.layers.map(({ chainId }) => chainId)).size).toBe(3);
    expect(registry.asked.filter((line) => line.includes(BASE.digest)).length).toBe(1);
  });
});

describe("several pulls at once", () => {
  test("fetch a layer once, and all see it", async () => {
    registry.put("r.io/app:1", manifestBlobs([BIG]));
    registry.put("r.io/app:2", manifestBlobs([BIG]));
    const pulls = [start("r.io/app:1"), start("r.io/app:2"), start("r.io/app:1")];
    const images = await Promise.all(pulls.map(({ done }) => done));
    expect(new Set(images.map(({ image }) => image.id)).size).toBe(1);
    expect(registry.asked.filter((line) => line.startsWith(`GET app ${BIG.digest}`)).length).toBe(1);
    for (const { events } of pulls) expect(stepsOf(events, BIG.digest)).toContain("complete");
    await store.snapshots.settled();
    expect(store.snapshots.layers().length).toBe(1);
  });

  test("go on when one goes away, and end when the last does", async () => {
    registry.put("r.io/app", manifestBlobs([BIG]));
    const reached = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    registry.onChunk = async (digest, offset) => {
      if (digest !== BIG.digest || offset === 0) return;
      reached.resolve();
      await gate.promise;
    };
    const [one, two, three] = [new AbortController(), new AbortController(), new AbortController()];
    const first = start("r.io/app", undefined, one.signal);
    await reached.promise;
    const second = start("r.io/app", undefined, two.signal);
    while (stepsOf(second.events, BIG.digest).length < 2) await new Promise(setImmediate);
    one.abort(new Error("first left"));
    expect((await rejection(first.done)).message).toContain("first left");
    two.abort(new Error("second left"));
    expect((await rejection(second.done)).message).toContain("second left");
    gate.resolve();
    registry.onChunk = () => {};
    // Whoever comes now waits for the end of the one that nobody wanted, and goes on from there.
    await start("r.io/app", undefined, three.signal).done;
    expect(registry.asked.filter((line) => line.includes(BIG.digest))).toEqual([
      `GET app ${BIG.digest}`,
      `GET app ${BIG.digest} from ${64 << 10}`,
    ]);
  });

  test("one that failed for another is tried anew", async () => {
    registry.put("r.io/app", manifestBlobs([BIG]));
    registry.put("r.io/other", manifestBlobs([BIG]));
    let isBroken = true;
    const reached = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    registry.onChunk = async (digest, offset) => {
      if (digest !== BIG.digest || offset === 0 || !isBroken) return;
      reached.resolve();
      await gate.promise;
      isBroken = false;
      throw new Error("token expired");
    };
    const first = start("r.io/app");
    await reached.promise;
    const second = start("r.io/other");
    while (stepsOf(second.events, BIG.digest).length < 2) await new Promise(setImmediate);
    gate.resolve();
    expect((await rejection(first.done)).message).toContain("token expired");
    expect((await second.done).image.layers[0]?.blob).toBe(BIG.digest);
  });
});

describe("push()", () => {
  const push = async (text: string, platform?: Platform) => {
    const events: TransferEvent[] = [];
    const name = store.images.name(text);
    if (name === undefined) throw new Error("no such name");
    const request = { repository: registry.open(text), name, platform };
    const pushed = await store.images.push(request, (event) => void events.push(event), NEVER);
    return { pushed, events };
  };

  test("brings back the manifest that was pulled, and mounts what another repository has", async () => {
    const blobs = manifestBlobs([BASE, BIG]);
    registry.put("r.io/app:1", blobs);
    const { image } = await pull("r.io/app:1");
    store.images.tag(image, "r.io/copy:2", store.images.name("r.io/app:1"));
    const { pushed, events } = await push("r.io/copy:2");
    expect(pushed.digest).toBe(blobs[0]?.descriptor.digest ?? "");
    expect(stepsOf(events, BASE.diffId)).toEqual(["announced", "mounted"]);
    expect(store.images.resolve("r.io/copy:2").digests.length).toBe(2);
    const again = await push("r.io/copy:2");
    expect(stepsOf(again.events, BASE.diffId)).toEqual(["announced", "exists"]);
    // To another registry everything is uploaded.
    const other = new FakeRegistry();
    store.images.tag(image, "elsewhere.io/app:1", store.images.name("r.io/app:1"));
    const name = store.images.name("elsewhere.io/app:1");
    if (name === undefined) throw new Error("no name");
    const request = { repository: other.open("elsewhere.io/app:1"), name, platform: undefined };
    const there = await store.images.push(request, () => {}, NEVER);
    expect(there.digest).toBe(pushed.digest);
    expect(other.contents("app").blobs.size).toBe(3);
  });

  test("makes a manifest of a loaded image, always the same, with compressed layers", async () => {
    const plain = layerOf([{ name: "plain", content: "x".repeat(50_000) }]);
    await store.images.load(
      Readable.from([dockerArchive([{ names: ["r.io/app:1"], layers: [plain] }])]),
      NEVER,
    );
    const { pushed } = await push("r.io/app:1");
    expect(pushed.mediaType).toBe("application/vnd.docker.distribution.manifest.v2+json");
    const image = store.images.resolve("r.io/app:1");
    expect(image.layers[0]?.mediaType).toBe("application/vnd.oci.image.layer.v1.tar+gzip");
    expect(image.digests).toEqual([`r.io/app@${pushed.digest}`]);
    expect((await push("r.io/app:1")).pushed.digest).toBe(pushed.digest);
    const other = await openStore();
    try {
      await other.images.load(
        Readable.from([dockerArchive([{ names: ["r.io/b:1"], layers: [plain] }])]),
        NEVER,
      );
      const name = other.images.name("r.io/b:1");
      if (name === undefined) throw new Error("no name");
      const request = { repository: registry.open("r.io/b:1"), name, platform: undefined };
      expect((await other.images.push(request, () => {}, NEVER)).digest).toBe(pushed.digest);
      const repository = registry.open("r.io/b:1");
      const pulled = await other.images.pull({ repository, platform: undefined }, () => {}, NEVER);
      expect([pulled.isUpToDate, pulled.image.id]).toEqual([true, image.id]);
    } finally {
      await other[Symbol.asyncDispose]();
    }
  });

  test("pushes an index when all of it is here, and one manifest in its place otherwise", async () => {
    const index = putMulti("r.io/multi");
    await pull("r.io/multi");
    const alone = store.images.resolve("r.io/multi");
    store.images.tag(alone, "r.io/part", store.images.name("r.io/multi"));
    const part = await push("r.io/part");
    expect(part.pushed.digest).toBe(alone.manifest?.digest ?? "");
    expect(part.pushed.insteadOf?.digest).toBe(index);
    await pull("r.io/multi", ARM);
    store.images.tag(alone, "r.io/whole", store.images.name("r.io/multi"));
    const { pushed } = await push("r.io/whole");
    expect([pushed.digest, pushed.insteadOf]).toEqual([index, undefined]);
    const one = await push("r.io/whole", ARM);
    expect(one.pushed.digest).toBe(store.images.resolve("r.io/multi", ARM).manifest?.digest ?? "");
    expect(one.pushed.insteadOf).toBeUndefined();
    expect((await rejection(push("r.io/whole", { ...ARM, architecture: "s390x" }))).message).toContain(
      "linux/s390x",
    );
  });

  test("leaves out layers that are not to be distributed, unless the registry may have them", async () => {
    const [plain, ...blobs] = manifestBlobs([BASE, BIG]);
    const text = (plain?.bytes.toString() ?? "").replace(
      "application/vnd.oci.image.layer.v1.tar+gzip",
      "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    );
    const manifest = blobOf(plain?.descriptor.mediaType ?? "", Buffer.from(text));
    registry.put("r.io/app:1", [manifest, ...blobs]);
    const { image } = await pull("r.io/app:1");
    const pushTo = async (other: FakeRegistry, like = store.images.name("r.io/app:1")) => {
      const events: TransferEvent[] = [];
      store.images.tag(image, "x.io/app:1", like);
      const name = store.images.name("x.io/app:1");
      if (name === undefined) throw new Error("no name");
      const request = { repository: other.open("x.io/app:1"), name, platform: undefined };
      const { digest } = await store.images.push(request, (event) => void events.push(event), NEVER);
      return { digest, events };
    };
    const other = new FakeRegistry();
    const { digest, events } = await pushTo(other);
    expect(digest).toBe(manifest.descriptor.digest);
    expect(stepsOf(events, BASE.diffId)).toEqual(["skipped"]);
    expect([BASE, BIG].map(({ digest }) => other.contents("app").blobs.has(digest))).toEqual([false, true]);
    other.mayHoldNondistributable = true;
    await pushTo(other);
    expect(other.contents("app").blobs.has(BASE.digest)).toBe(true);
    // Without its manifest nobody could tell where the layer is.
    await store.content.delete(manifest.descriptor.digest);
    expect((await rejection(pushTo(new FakeRegistry()))).message).toContain("is not to be distributed");
  });

  test("stops all uploads at the first failure", async () => {
    registry.put("r.io/app", manifestBlobs([BASE, BIG]));
    const { image } = await pull("r.io/app");
    const other = new FakeRegistry();
    other.onChunk = (digest) => {
      if (digest === BASE.digest) throw new Error("denied");
    };
    store.images.tag(image, "x.io/app");
    const name = store.images.name("x.io/app");
    if (name === undefined) throw new Error("no name");
    const request = { repository: other.open("x.io/app"), name, platform: undefined };
    expect((await rejection(store.images.push(request, () => {}, NEVER))).message).toContain("denied");
    expect(other.contents("app").tags.size).toBe(0);
  });
});

test("artifacts are refused by their media type", async () => {
  const config = blobOf("application/vnd.example+json", {});
  const manifest = blobOf("application/vnd.oci.image.manifest.v1+json", {
    schemaVersion: 2,
    config: config.descriptor,
    layers: [],
  });
  registry.put("r.io/artifact", [manifest, config]);
  expect((await rejection(pull("r.io/artifact"))).message).toContain("application/vnd.example+json");
});
