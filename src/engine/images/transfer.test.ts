/** Pull, push, list and remove with an image store and a registry in memory. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { Readable } from "node:stream";
import { rejection } from "../../base/testing/rejection.ts";
import { helloWorldArchive } from "../../core/images/hello-world.ts";
import { configOf, indexBlob, layerOf, manifestBlobs } from "../../core/images/testing/archives.ts";
import { FakeRegistry } from "../../core/images/testing/fake-registry.ts";
import { openStore, type TestStore } from "../../core/images/testing/store.ts";
import type { ProgressMessage } from "../../specs/engine/image.ts";
import type { EventMessage } from "../../specs/engine/system.ts";
import { familiarReference } from "../../specs/oci-image/reference.ts";
import type { Platform } from "../../specs/oci-image/manifest.ts";
import { inspectImage } from "./inspect.ts";
import { listImages } from "./list.ts";
import { withManifests } from "./manifests.ts";
import { type PullImageRequest, pull } from "./pull.ts";
import { push } from "./push.ts";
import { removeImage } from "./remove.ts";
import { tagImage } from "./tag.ts";
import { untagImage } from "./untag.ts";

const NEVER = new AbortController().signal;
const ARM: Platform = { os: "linux", architecture: "arm64", variant: "" };
const BASE = layerOf([{ name: "base" }], gzipSync);
const AMD_TOP = layerOf([{ name: "amd" }], gzipSync);
const ARM_TOP = layerOf([{ name: "arm" }], gzipSync);

let store: TestStore;
let registry: FakeRegistry;
let events: EventMessage[];

beforeEach(async () => {
  store = await openStore();
  registry = new FakeRegistry();
  events = [];
});

afterEach(async () => {
  await store[Symbol.asyncDispose]();
});

function deps() {
  return {
    images: store.images,
    snapshots: store.snapshots,
    events: { publish: (event: EventMessage) => void events.push(event) },
    containers: () => [],
    architecture: "amd64",
    registries: {
      open: (reference: Parameters<typeof familiarReference>[0]) =>
        registry.open(familiarReference(reference)),
      download: () => Promise.reject(new Error("nothing is fetched here")),
    },
    helloWorld: () => Promise.resolve(helloWorldArchive(Buffer.from("\x7fELF"), "amd64")),
  };
}

async function pulled(request: Partial<PullImageRequest>): Promise<readonly ProgressMessage[]> {
  const messages: ProgressMessage[] = [];
  const whole = { name: "", tag: "", platform: "", credentials: undefined, ...request };
  await pull(deps(), whole, (message) => void messages.push(message), NEVER);
  return messages;
}

async function pushed(name: string, tag = "", platform?: Platform): Promise<readonly ProgressMessage[]> {
  const messages: ProgressMessage[] = [];
  const request = { name, tag, platform, credentials: undefined };
  await push(deps(), request, (message) => void messages.push(message), NEVER);
  return messages;
}

function statuses(messages: readonly ProgressMessage[]): readonly string[] {
  return messages.map(({ id, status }) => (id === undefined ? `${status}` : `${id}: ${status}`));
}

function putMulti(text: string): string {
  const amd = manifestBlobs([BASE, AMD_TOP]);
  const arm = manifestBlobs([BASE, ARM_TOP], configOf([BASE, ARM_TOP], { architecture: "arm64" }));
  const index = indexBlob([
    { ...amd[0]?.descriptor, platform: { os: "linux", architecture: "amd64" } },
    { ...arm[0]?.descriptor, platform: { os: "linux", architecture: "arm64" } },
  ]);
  registry.put(text, [index, ...amd, ...arm]);
  return index.descriptor.digest;
}

describe("pull()", () => {
  test("says what Docker says, in its order", async () => {
    const blobs = manifestBlobs([BASE]);
    registry.put("r.io/team/app:1", blobs);
    const messages = await pulled({ name: "r.io/team/app", tag: "1" });
    const layer = BASE.digest.slice(7, 19);
    const lines = statuses(messages);
    expect(lines[0]).toBe("1: Pulling from team/app");
    expect(lines.filter((line) => line.startsWith(layer))).toEqual(
      [
        "Pulling fs layer",
        "Downloading",
        "Verifying Checksum",
        "Download complete",
        "Extracting",
        "Pull complete",
      ].map((status) => `${layer}: ${status}`),
    );
    expect(lines.slice(-2)).toEqual([
      `Digest: ${blobs[0]?.descriptor.digest}`,
      "Status: Downloaded newer image for r.io/team/app:1",
    ]);
    const bar = messages.find(({ status }) => status === "Extracting");
    const size = BASE.blob.length;
    expect(bar?.progressDetail).toEqual({ current: size, total: size });
    expect(bar?.progress).toBe(`[${"=".repeat(50)}>] ${`${size}B`.padStart(8)}/${size}B`);
    expect(statuses(await pulled({ name: "r.io/team/app", tag: "1" }))).toEqual([
      "1: Pulling from team/app",
      `Digest: ${blobs[0]?.descriptor.digest}`,
      "Status: Image is up to date for r.io/team/app:1",
    ]);
    expect(events.map(({ Action, Actor }) => [Action, Actor.ID, Actor.Attributes["name"]])[0]).toEqual([
      "pull",
      "r.io/team/app:1",
      "r.io/team/app",
    ]);
  });

  test("of a name without a tag takes all tags", async () => {
    registry.put("r.io/app:1", manifestBlobs([BASE]));
    registry.put("r.io/app:2", manifestBlobs([AMD_TOP]));
    const lines = statuses(await pulled({ name: "r.io/app" }));
    expect(lines.filter((line) => line.includes("Pulling from"))).toEqual([
      "1: Pulling from app",
      "2: Pulling from app",
    ]);
    expect(lines.at(-1)).toBe("Status: Downloaded newer image for r.io/app");
    expect(store.images.list().flatMap(({ tags }) => tags).length).toBe(2);
  });

  test("by digest shows the digest", async () => {
    const [manifest, ...rest] = manifestBlobs([BASE]);
    if (manifest === undefined) throw new Error("no manifest");
    registry.put("r.io/app:1", [manifest, ...rest]);
    const { digest } = manifest.descriptor;
    const lines = statuses(await pulled({ name: "r.io/app", tag: digest }));
    expect(lines[0]).toBe(`${digest}: Pulling from app`);
    expect(store.images.list()[0]?.tags).toEqual([]);
    expect(store.images.list()[0]?.digests).toEqual([`r.io/app@${digest}`]);
  });

  test("warns when the only platform is another one", async () => {
    registry.put("r.io/app:1", manifestBlobs([BASE]));
    const lines = statuses(await pulled({ name: "r.io/app", tag: "1", platform: "linux/arm64" }));
    expect(lines).toContain(
      "WARNING: image with reference r.io/app:1 was found but its platform (linux/amd64) does not match the specified platform (linux/arm64)",
    );
  });

  test("fails before the first message when there is nothing to pull", async () => {
    const messages: ProgressMessage[] = [];
    const request = { name: "r.io/none", tag: "1", platform: "", credentials: undefined };
    const work = pull(deps(), request, (message) => void messages.push(message), NEVER);
    expect((await rejection(work)).message).toContain("manifest unknown");
    expect(messages).toEqual([]);
  });

  test("takes hello-world from the engine itself, but not for another platform", async () => {
    expect(statuses(await pulled({ name: "hello-world", tag: "latest" })).at(-1)).toBe(
      "Status: Loaded the image that comes with this engine: hello-world:latest",
    );
    expect(registry.asked).toEqual([]);
    await rejection(pulled({ name: "hello-world", tag: "latest", platform: "linux/arm64" }));
    expect(registry.asked.length).toBe(1);
  });
});

describe("push()", () => {
  test("says what Docker says, with the result at the end", async () => {
    registry.put("r.io/app:1", manifestBlobs([BASE]));
    await pulled({ name: "r.io/app", tag: "1" });
    tagImage(deps(), "r.io/app:1", { repo: "r.io/copy", tag: "1" });
    const messages = await pushed("r.io/copy", "1");
    const digest = store.images.resolve("r.io/copy:1").manifest?.digest ?? "";
    const size = store.images.resolve("r.io/copy:1").manifest?.sizeBytes ?? 0;
    const layer = BASE.diffId.slice(7, 19);
    expect(statuses(messages.slice(0, -1))).toEqual([
      "The push refers to repository [r.io/copy]",
      `${layer}: Preparing`,
      `${layer}: Mounted from app`,
      `1: digest: ${digest} size: ${size}`,
    ]);
    expect(messages.at(-1)?.aux).toEqual({ Tag: "1", Digest: digest, Size: size });
    expect(statuses(await pushed("r.io/copy", "1"))).toContain(`${layer}: Layer already exists`);
  });

  test("without a tag pushes all tags, and tells when there is none", async () => {
    registry.put("r.io/app:1", manifestBlobs([BASE]));
    await pulled({ name: "r.io/app", tag: "1" });
    for (const tag of ["a", "b"]) tagImage(deps(), "r.io/app:1", { repo: "r.io/many", tag });
    await pushed("r.io/many");
    expect([...registry.contents("many").tags.keys()]).toEqual(["a", "b"]);
    for (const [name, tag] of [
      ["r.io/nothing", ""],
      ["r.io/many", "c"],
    ] as const)
      expect((await rejection(pushed(name, tag))).message).toBe(
        `An image does not exist locally with the tag: ${name}`,
      );
    expect((await rejection(pushed("r.io/many", BASE.digest))).message).toBe(
      "cannot push a digest reference",
    );
  });

  test("tells that a part was pushed in an index's place", async () => {
    const index = putMulti("r.io/multi:1");
    await pulled({ name: "r.io/multi", tag: "1" });
    const messages = await pushed("r.io/multi", "1");
    expect(messages.at(-1)?.aux).toMatchObject({
      manifestPushedInsteadOfIndex: true,
      originalIndex: { digest: index },
      selectedManifest: { digest: store.images.resolve("r.io/multi:1").manifest?.digest },
    });
  });
});

describe("a name with two platforms", () => {
  beforeEach(async () => {
    putMulti("r.io/multi:1");
    await pulled({ name: "r.io/multi", tag: "1", platform: "linux/arm64" });
    await pulled({ name: "r.io/multi", tag: "1" });
  });

  test("is one line of the list, with both as its manifests", async () => {
    const listed = listImages(deps(), { filters: new Map(), sharedSize: false });
    expect(listed.map(({ RepoTags }) => RepoTags)).toEqual([["r.io/multi:1"]]);
    expect(listImages(deps(), { filters: new Map(), sharedSize: false, all: true }).length).toBe(2);
    const dangling = new Map([["dangling", ["true"]]]);
    expect(listImages(deps(), { filters: dangling, sharedSize: false, all: true })).toEqual([]);
    const [summary] = await withManifests(deps(), listed);
    expect(
      summary?.Manifests?.map(({ Available, ImageData }) => [Available, ImageData?.Platform.architecture]),
    ).toEqual([
      [true, "amd64"],
      [true, "arm64"],
    ]);
    expect(summary?.Manifests?.[0]?.Size.Content).toBe(BASE.blob.length + AMD_TOP.blob.length);
    const inspected = await inspectImage(deps(), store.images.resolve("r.io/multi:1"), { manifests: true });
    expect(inspected.Manifests?.length).toBe(2);
    expect(inspected.Descriptor?.digest).toBe(store.images.name("r.io/multi:1")?.target?.digest ?? "");
  });

  test("loses one of them, and then all", async () => {
    const amd = store.images.resolve("r.io/multi:1");
    const arm = store.images.resolve("r.io/multi:1", ARM);
    const items = await removeImage(deps(), "r.io/multi:1", { force: false, platforms: [ARM] });
    expect(items).toContainEqual({ Deleted: arm.id });
    expect(items).not.toContainEqual({ Untagged: "r.io/multi:1" });
    expect(store.images.resolve("r.io/multi:1").id).toBe(amd.id);
    const rest = await removeImage(deps(), "r.io/multi:1", { force: false, platforms: [] });
    expect(rest.slice(0, 3)).toEqual([
      { Untagged: "r.io/multi:1" },
      { Untagged: `r.io/multi@${amd.digests[0]?.split("@")[1]}` },
      { Deleted: amd.id },
    ]);
    await store.snapshots.settled();
    expect(store.files()).toEqual([]);
  });

  test("goes with both when it goes", async () => {
    const items = await removeImage(deps(), "r.io/multi:1", { force: false, platforms: [] });
    expect(items.filter((item) => "Deleted" in item).length).toBe(2 + 3);
    await store.snapshots.settled();
    expect(store.files()).toEqual([]);
  });

  test("is taken along by tag, and left by untag", async () => {
    tagImage(deps(), "r.io/multi:1", { repo: "copy", tag: "1" });
    expect(store.images.name("copy:1")?.images.length).toBe(2);
    // Of an id, only that image.
    tagImage(deps(), store.images.resolve("r.io/multi:1").id, { repo: "one", tag: "1" });
    expect(store.images.name("one:1")?.images.length).toBe(1);
    for (const name of ["r.io/multi:1", "copy:1", "one:1"])
      expect(untagImage(deps(), name)).toEqual([{ Untagged: name }]);
    expect(store.images.list().length).toBe(2);
    expect(() => untagImage(deps(), "one:1")).toThrow("No such image: one:1");
  });
});

test("a damaged stream of an archive changes no name", async () => {
  putMulti("r.io/multi:1");
  await pulled({ name: "r.io/multi", tag: "1" });
  const before = store.images.name("r.io/multi:1");
  await rejection(store.images.load(Readable.from([Buffer.from("not an archive")]), NEVER));
  expect(store.images.name("r.io/multi:1")).toEqual(before);
});
