/** Attestations stay with their image: through pull, collection, push, save and load the index is what it was. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { writeTar } from "../../base/tar-writer.ts";
import { MAX_DOCUMENT_BYTES } from "../../specs/oci-image/document.ts";
import type { Platform } from "../../specs/oci-image/manifest.ts";
import {
  blobOf,
  configOf,
  indexBlob,
  layerOf,
  type LayoutBlob,
  layoutItems,
  manifestBlobs,
} from "./testing/archives.ts";
import { FakeRegistry } from "./testing/fake-registry.ts";
import { openStore, type TestStore } from "./testing/store.ts";

const NEVER = new AbortController().signal;
const ARM: Platform = { os: "linux", architecture: "arm64", variant: "" };
const packed = (name: string) => layerOf([{ name, content: name }], gzipSync);

let store: TestStore;
let registry: FakeRegistry;

beforeEach(async () => {
  store = await openStore();
  registry = new FakeRegistry();
});

afterEach(async () => {
  await store[Symbol.asyncDispose]();
});

/** The manifest is the first; its bill of materials has so many bytes, more or less. */
function attestationBlobs(subject: string, bytes = 10): LayoutBlob[] {
  const config = blobOf("application/vnd.oci.image.config.v1+json", {
    architecture: "unknown",
    os: "unknown",
    subject,
  });
  const statement = blobOf("application/vnd.in-toto+json", { subject, predicate: "x".repeat(bytes) });
  const manifest = blobOf("application/vnd.oci.image.manifest.v1+json", {
    schemaVersion: 2,
    config: config.descriptor,
    layers: [
      { ...statement.descriptor, annotations: { "in-toto.io/predicate-type": "https://spdx.dev/Document" } },
    ],
  });
  return [manifest, config, statement];
}

interface Attested {
  readonly index: LayoutBlob;
  readonly blobs: readonly LayoutBlob[];
  readonly attestations: readonly LayoutBlob[];
}

/** amd64 and arm64, each with an attestation. */
function attested(bytes?: number): Attested {
  const images = ["amd64", "arm64"].map((architecture) => {
    const layers = [packed("base"), packed(architecture)];
    return { architecture, blobs: manifestBlobs(layers, configOf(layers, { architecture })) };
  });
  const manifests = images.map(({ architecture, blobs }) => ({
    ...blobs[0]?.descriptor,
    platform: { os: "linux", architecture },
  }));
  const beside = images.map(({ blobs }) => attestationBlobs(blobs[0]?.descriptor.digest ?? "", bytes));
  const descriptors = beside.map(([manifest], i) => ({
    ...manifest?.descriptor,
    platform: { os: "unknown", architecture: "unknown" },
    annotations: {
      "vnd.docker.reference.type": "attestation-manifest",
      "vnd.docker.reference.digest": images[i]?.blobs[0]?.descriptor.digest,
    },
  }));
  const attestations = beside.flat();
  return {
    index: indexBlob([...descriptors, ...manifests]),
    blobs: [...images.flatMap(({ blobs }) => blobs), ...attestations],
    attestations,
  };
}

async function pull(text: string, platform?: Platform) {
  return await store.images.pull({ repository: registry.open(text), platform }, () => {}, NEVER);
}

async function push(from: TestStore, text: string, to = registry): Promise<string> {
  const name = from.images.name(text);
  if (name === undefined) throw new Error("no such name");
  const request = { repository: to.open(text), name, platform: undefined };
  return (await from.images.push(request, () => {}, NEVER)).digest;
}

async function saved(names: readonly string[]): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.images.save(store.images.select(names), NEVER)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test("an index is pushed as it came, from the registry or out of an archive", async () => {
  const { index, blobs, attestations } = attested();
  registry.put("r.io/app:1", [index, ...blobs]);
  for (const platform of [undefined, ARM]) await pull("r.io/app:1", platform);
  await store.images.collect();
  for (const { descriptor } of attestations) expect(store.content.stat(descriptor.digest)).toBeDefined();
  const other = new FakeRegistry();
  expect(await push(store, "r.io/app:1", other)).toBe(index.descriptor.digest);
  expect(other.contents("app").manifests.size).toBe(5);

  const next = await openStore();
  try {
    await next.images.load(Readable.from([await saved(["r.io/app:1"])]), NEVER);
    await next.images.collect();
    expect(await push(next, "r.io/app:1", new FakeRegistry())).toBe(index.descriptor.digest);
    const name = next.images.name("r.io/app:1");
    const variants = name === undefined ? [] : await next.images.variants(name);
    expect(variants.map(({ attestationBytes }) => attestationBytes !== undefined)).toEqual([
      true,
      true,
      false,
      false,
    ]);
  } finally {
    await next[Symbol.asyncDispose]();
  }
});

test("one image with its attestation is an index, too; it is gone with the image", async () => {
  const layers = [packed("base")];
  const image = manifestBlobs(layers);
  const [manifest, ...rest] = attestationBlobs(image[0]?.descriptor.digest ?? "");
  const annotations = {
    "vnd.docker.reference.type": "attestation-manifest",
    "vnd.docker.reference.digest": image[0]?.descriptor.digest,
  };
  // Not every builder says that it is for no platform.
  const index = indexBlob([
    { ...manifest?.descriptor, platform: { os: "linux", architecture: "amd64" }, annotations },
    { ...image[0]?.descriptor, platform: { os: "linux", architecture: "amd64" } },
  ]);
  registry.put("r.io/one:1", [index, ...image, ...(manifest === undefined ? [] : [manifest]), ...rest]);
  const { image: pulled } = await pull("r.io/one:1");
  expect(pulled.layers.length).toBe(1);
  expect(await push(store, "r.io/one:1", new FakeRegistry())).toBe(index.descriptor.digest);
  const archive = await saved(["r.io/one:1"]);
  await store.images.remove(pulled.id);
  expect(store.content.list()).toEqual([]);
  await store.images.load(Readable.from([archive]), NEVER);
  expect(store.images.name("r.io/one:1")?.target?.digest).toBe(index.descriptor.digest);
});

test("an image is pulled without attestations that are not there or not what they are said to be", async () => {
  const { index, blobs, attestations } = attested();
  const lost = new Set(attestations.slice(2).map(({ descriptor }) => descriptor.digest));
  registry.put("r.io/app:1", [index, ...blobs.filter(({ descriptor }) => !lost.has(descriptor.digest))]);
  const { image } = await pull("r.io/app:1");
  expect(image.attestations).toEqual([]);
  expect(store.logged.join()).toContain("an attestation is left out");
  expect(await push(store, "r.io/app:1", new FakeRegistry())).toBe(image.manifest?.digest ?? "");
  // The next pull has them.
  registry.put("r.io/app:1", [index, ...blobs]);
  expect((await pull("r.io/app:1")).image.attestations.length).toBe(3);
});

test("a bill of materials may be larger than other documents", async () => {
  const { index, blobs } = attested(MAX_DOCUMENT_BYTES);
  const name = { annotations: { "io.containerd.image.name": "r.io/app:1" } };
  const archive = writeTar(layoutItems([{ ...index.descriptor, ...name }], [index, ...blobs]));
  await store.images.load(Readable.from([archive]), NEVER);
  await store.images.collect();
  expect(await push(store, "r.io/app:1")).toBe(index.descriptor.digest);
});
