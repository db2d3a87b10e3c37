import { afterEach, describe, expect, test } from "bun:test";
import { EVERYTHING } from "./auth/access.ts";
import { type Gate, OPEN_GATE } from "./auth/gate.ts";
import { sha256Of } from "../specs/oci-image/digest.ts";
import {
  imageOf,
  OCI_INDEX,
  OCI_MANIFEST,
  RegistryHost,
  type TypedDocument,
} from "./testing/registry-host.ts";

const HOUR = 3600_000;
let now = 1_800_000_000_000;
let host: RegistryHost;
afterEach(() => host.close());

async function start(untagged: "keep" | "delete" = "keep"): Promise<RegistryHost> {
  host = await RegistryHost.start({
    now: () => now,
    collect: { untagged },
    limits: { uploadExpiryMs: 24 * HOUR },
  });
  return host;
}

function isStored(digest: string): boolean {
  return host.content.stat(digest) !== undefined;
}

/** Who comes may read. */
function readersGate(): Gate {
  const rights = { ...EVERYTHING, may: (action: string) => action === "pull" };
  return { ...OPEN_GATE, admit: () => Promise.resolve(rights) };
}

async function indexOf(
  repository: string,
  tag: string,
  ...images: readonly TypedDocument[]
): Promise<string> {
  const manifests = images.map((image) => {
    const text = JSON.stringify(image);
    return { mediaType: OCI_MANIFEST, digest: sha256Of(text), size: text.length };
  });
  return host.pushManifest(repository, tag, { schemaVersion: 2, mediaType: OCI_INDEX, manifests });
}

describe("garbage", () => {
  test("is what no manifest needs, once it is old enough", async () => {
    await start();
    const kept = await host.pushImage("a", "v1", "kept");
    const lone = await host.pushBlob("a", "lone");
    expect(await host.registry.collect()).toEqual({ uploads: 0, manifests: 0, links: 0, blobs: 0, bytes: 0 });
    now += 2 * HOUR;
    expect(await host.registry.collect()).toEqual({ uploads: 0, manifests: 0, links: 1, blobs: 1, bytes: 4 });
    expect([isStored(lone.digest), isStored(kept.layer.digest), isStored(kept.digest)]).toEqual([
      false,
      true,
      true,
    ]);
    expect((await host.ask("HEAD", `/v2/a/blobs/${lone.digest}`)).status).toBe(404);
    await host.must("GET", `/v2/a/blobs/${kept.layer.digest}`);
  });

  test("of one repository may be another's", async () => {
    await start();
    const image = await host.pushImage("a", "v1", "shared");
    await host.pushBlob("b", "shared");
    now += 2 * HOUR;
    expect((await host.registry.collect()).links).toBe(1);
    expect((await host.ask("HEAD", `/v2/b/blobs/${image.layer.digest}`)).status).toBe(404);
    expect(isStored(image.layer.digest)).toBe(true);
    await host.must("DELETE", `/v2/a/manifests/${image.digest}`);
    await host.registry.collect();
    expect(host.content.list()).toEqual([]);
    expect((await host.ask("GET", "/v2/_catalog")).text).toContain('"repositories":[]');
  });

  test("is not what a manifest needs that was pushed meanwhile", async () => {
    await start();
    const config = await host.pushBlob("a", "{}");
    now += 2 * HOUR;
    const collecting = host.registry.collect();
    const pushing = host.ask("PUT", "/v2/a/manifests/v1", {
      body: JSON.stringify(imageOf(config)),
      headers: { "Content-Type": OCI_MANIFEST },
    });
    const [, pushed] = await Promise.all([collecting, pushing]);
    // Either order is fine; a manifest whose configuration is gone is not.
    expect(pushed.status === 201).toBe(
      (await host.ask("HEAD", `/v2/a/blobs/${config.digest}`)).status === 200,
    );
    expect([201, 404]).toContain(pushed.status);
  });

  test("pushing the same again makes a blob young", async () => {
    await start();
    const blob = await host.pushBlob("a", "again");
    now += 2 * HOUR;
    await host.pushBlob("a", "again");
    await host.registry.collect();
    expect(isStored(blob.digest)).toBe(true);
  });

  test("is not what a client has just been told is there, unless it may not push", async () => {
    await start();
    const asked = await host.pushBlob("a", "asked for");
    const read = await host.pushBlob("a", "read");
    now += 2 * HOUR;
    await host.must("HEAD", `/v2/a/blobs/${asked.digest}`);
    await host.must("GET", `/v2/a/blobs/${read.digest}`);
    await host.registry.collect();
    expect([isStored(asked.digest), isStored(read.digest)]).toEqual([true, false]);
    await host.restart({ now: () => now, gate: readersGate() }).then((again) => (host = again));
    now += 2 * HOUR;
    await host.must("HEAD", `/v2/a/blobs/${asked.digest}`);
    await host.registry.collect();
    expect(isStored(asked.digest)).toBe(false);
  });

  test("is not what somebody is reading", async () => {
    await start();
    const blob = await host.pushBlob("a", Buffer.alloc(20 << 20, 1));
    now += 2 * HOUR;
    const reading = host.ask("GET", `/v2/a/blobs/${blob.digest}`);
    while (!host.registry.metrics().includes("gantry_registry_requests 1\n")) await Bun.sleep(1);
    await host.registry.collect();
    expect(isStored(blob.digest)).toBe(false);
    expect((await reading).bytes.length).toBe(20 << 20);
  });

  test("is not what a lease holds", async () => {
    await start();
    await using lease = host.leases.acquire("a test");
    const blob = await host.content.ingest(lease, parts("held"), {}, new AbortController().signal);
    now += 2 * HOUR;
    await host.registry.collect();
    expect(isStored(blob.digest)).toBe(true);
  });

  test("runs once for all who ask", async () => {
    await start();
    await host.pushImage("a", "v1", "x");
    const [one, two] = await Promise.all([host.registry.collect(), host.registry.collect()]);
    expect(one).toBe(two);
    expect(host.registry.metrics()).toContain("gantry_registry_collections_total 1\n");
  });
});

async function* parts(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

describe("uploads", () => {
  test("are forgotten when nothing comes, with their bytes", async () => {
    now = Date.now();
    await start();
    const location = String((await host.must("POST", "/v2/a/blobs/uploads/")).headers.location);
    await host.must("PATCH", location, { body: "bytes" });
    now += 23 * HOUR;
    expect((await host.registry.collect()).uploads).toBe(0);
    now += 2 * HOUR;
    expect((await host.registry.collect()).uploads).toBe(1);
    expect((await host.ask("GET", location)).status).toBe(404);
    expect(host.content.partials()).toEqual([]);
  });
});

describe("untagged manifests", () => {
  test("stay, unless asked otherwise", async () => {
    await start();
    const old = await host.pushImage("a", "v1", "old");
    await host.pushImage("a", "v1", "new");
    now += 2 * HOUR;
    expect((await host.registry.collect()).manifests).toBe(0);
    expect(isStored(old.digest)).toBe(true);
  });

  test("go when nothing leads to them", async () => {
    await start("delete");
    const old = await host.pushImage("a", "v1", "old");
    const kept = await host.pushImage("a", "v1", "new");
    now += HOUR / 2;
    expect((await host.registry.collect()).manifests).toBe(0);
    now += HOUR;
    expect(await host.registry.collect()).toMatchObject({ manifests: 1, links: 1, blobs: 2 });
    expect([isStored(old.digest), isStored(old.layer.digest), isStored(kept.digest)]).toEqual([
      false,
      false,
      true,
    ]);
  });

  test("stay when a client has just been told that they are there", async () => {
    await start("delete");
    const asked = await host.pushImage("a", "v1", "asked for");
    const left = await host.pushImage("a", "v2", "left");
    for (const tag of ["v1", "v2"]) await host.must("DELETE", `/v2/a/manifests/${tag}`);
    now += 2 * HOUR;
    await host.must("HEAD", `/v2/a/manifests/${asked.digest}`);
    expect((await host.registry.collect()).manifests).toBe(1);
    expect([isStored(asked.digest), isStored(asked.layer.digest), isStored(left.digest)]).toEqual([
      true,
      true,
      false,
    ]);
  });

  test("stay when a tagged index needs them, also over two steps, and go with it", async () => {
    await start("delete");
    const config = await host.pushBlob("a", "{}");
    const image = imageOf(config);
    const digest = sha256Of(JSON.stringify(image));
    await host.pushManifest("a", digest, image);
    const inner = await indexOf("a", "inner", image);
    const text = JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [{ mediaType: OCI_MANIFEST, digest, size: JSON.stringify(image).length }],
    });
    await host.pushManifest("a", "outer", {
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [{ mediaType: OCI_INDEX, digest: inner, size: text.length }],
    });
    await host.must("DELETE", "/v2/a/manifests/inner");
    now += 2 * HOUR;
    expect((await host.registry.collect()).manifests).toBe(0);
    await host.must("DELETE", "/v2/a/manifests/outer");
    expect((await host.registry.collect()).manifests).toBe(3);
  });

  test("stay as long as what they are about, and go with it", async () => {
    await start("delete");
    const image = await host.pushImage("a", "v1", "subject");
    const config = await host.pushBlob("a", "{}");
    const subject = {
      mediaType: OCI_MANIFEST,
      digest: image.digest,
      size: JSON.stringify(image.manifest).length,
    };
    const signature = { ...imageOf(config), artifactType: "x/signature", subject };
    const digest = sha256Of(JSON.stringify(signature));
    await host.pushManifest("a", digest, signature);
    now += 2 * HOUR;
    expect((await host.registry.collect()).manifests).toBe(0);
    await host.must("DELETE", "/v2/a/manifests/v1");
    expect((await host.registry.collect()).manifests).toBe(2);
    expect(isStored(digest)).toBe(false);
  });
});
