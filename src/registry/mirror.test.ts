import { afterEach, describe, expect, test } from "bun:test";
import { sha256Of } from "../specs/oci-image/digest.ts";
import { FakeUpstream } from "./testing/fake-upstream.ts";
import { codeOf, OCI_MANIFEST, RegistryHost } from "./testing/registry-host.ts";

let now = 1_800_000_000_000;
let host: RegistryHost;
afterEach(() => host.close());

async function start(upstream: FakeUpstream): Promise<void> {
  host = await RegistryHost.start({ upstream, now: () => now, tagMaxAgeMs: 60_000 });
}

function layerOf(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < size; i += 4) bytes.writeUInt32LE((i * 2654435761) >>> 0, i);
  return bytes;
}

async function digestOf(reference: string): Promise<string> {
  const answer = await host.must("HEAD", `/v2/a/b/manifests/${reference}`, {
    headers: { Accept: OCI_MANIFEST },
  });
  return String(answer.headers["docker-content-digest"]);
}

describe("what is pulled", () => {
  test("comes from the upstream once, then from here", async () => {
    const upstream = new FakeUpstream();
    const layer = layerOf(1 << 20);
    const image = upstream.addImage("v1", layer);
    await start(upstream);
    for (let i = 0; i < 2; i++) {
      expect(await digestOf("v1")).toBe(image.manifest);
      const head = await host.must("HEAD", `/v2/a/b/blobs/${image.layer}`);
      expect(head.headers["content-length"]).toBe(String(layer.length));
      expect((await host.must("GET", `/v2/a/b/blobs/${image.layer}`)).bytes.equals(layer)).toBe(true);
    }
    expect(upstream.asked).toEqual(["resolve v1", "manifest v1", `blob ${image.layer}`]);
  });

  test("by digest needs no tag", async () => {
    const upstream = new FakeUpstream();
    const image = upstream.addImage("v1", layerOf(100));
    await start(upstream);
    expect(await digestOf(image.manifest)).toBe(image.manifest);
    expect(await digestOf(image.manifest)).toBe(image.manifest);
    expect(upstream.asked).toEqual([`manifest ${image.manifest}`]);
    expect(codeOf(await host.ask("GET", `/v2/a/b/manifests/${sha256Of("other")}`))).toBe(
      "404 MANIFEST_UNKNOWN",
    );
  });

  test("stays over a restart", async () => {
    const upstream = new FakeUpstream();
    const image = upstream.addImage("v1", layerOf(300_000));
    await start(upstream);
    await digestOf("v1");
    await host.must("GET", `/v2/a/b/blobs/${image.layer}`);
    upstream.isGone = true;
    host = await host.restart({ upstream, now: () => now });
    expect(await digestOf("v1")).toBe(image.manifest);
    expect((await host.must("GET", `/v2/a/b/blobs/${image.layer}`)).bytes.length).toBe(300_000);
  });

  test("is only what a manifest names", async () => {
    const upstream = new FakeUpstream();
    const image = upstream.addImage("v1", layerOf(100));
    await start(upstream);
    expect(codeOf(await host.ask("GET", `/v2/a/b/blobs/${image.layer}`))).toBe("404 BLOB_UNKNOWN");
    expect(upstream.asked).toEqual([]);
  });

  test("cannot be pushed to", async () => {
    await start(new FakeUpstream());
    for (const [method, path] of [
      ["POST", "/v2/a/b/blobs/uploads/"],
      ["PUT", "/v2/a/b/manifests/v1"],
      ["DELETE", "/v2/a/b/manifests/v1"],
    ] as const)
      expect(codeOf(await host.ask(method, path))).toBe("405 UNSUPPORTED");
  });
});

describe("tags", () => {
  test("are asked for again after a while, and move", async () => {
    const upstream = new FakeUpstream();
    const first = upstream.addImage("v1", layerOf(100));
    await start(upstream);
    expect(await digestOf("v1")).toBe(first.manifest);
    const second = upstream.addImage("v1", layerOf(200));
    expect(await digestOf("v1")).toBe(first.manifest);
    now += 61_000;
    expect(await digestOf("v1")).toBe(second.manifest);
    now += 61_000;
    expect(await digestOf("v1")).toBe(second.manifest);
    expect(upstream.asked).toEqual(["resolve v1", "manifest v1", "resolve v1", "manifest v1", "resolve v1"]);
  });

  test("are what was last known when the upstream is gone, and nothing when it never was known", async () => {
    const upstream = new FakeUpstream();
    const image = upstream.addImage("v1", layerOf(100));
    await start(upstream);
    await digestOf("v1");
    upstream.isGone = true;
    now += 61_000;
    expect(await digestOf("v1")).toBe(image.manifest);
    expect(codeOf(await host.ask("GET", "/v2/a/b/manifests/v2"))).toBe("503 UNAVAILABLE");
    expect((await host.must("GET", "/v2/a/b/tags/list")).text).toContain('"tags":["v1"]');
  });

  test("that the upstream deleted are gone", async () => {
    const upstream = new FakeUpstream();
    upstream.addImage("v1", layerOf(100));
    await start(upstream);
    await digestOf("v1");
    upstream.tagDigests.delete("v1");
    now += 61_000;
    expect(codeOf(await host.ask("GET", "/v2/a/b/manifests/v1"))).toBe("404 MANIFEST_UNKNOWN");
    expect(codeOf(await host.ask("GET", "/v2/never/tags/list"))).toBe("404 NAME_UNKNOWN");
  });

  test("are listed as the upstream has them, page by page", async () => {
    const upstream = new FakeUpstream();
    for (const tag of ["c", "a", "b"]) upstream.addImage(tag, layerOf(100));
    await start(upstream);
    const page = await host.must("GET", "/v2/a/b/tags/list?n=2");
    expect(page.text).toContain('["a","b"]');
    expect(page.headers.link).toContain("last=b");
  });
});

describe("everybody at once", () => {
  test("waits for one fetch, and gets every byte", async () => {
    const upstream = new FakeUpstream();
    const layer = layerOf(2 << 20);
    const image = upstream.addImage("v1", layer);
    upstream.beforePiece = () => Bun.sleep(2);
    await start(upstream);
    await Promise.all(Array.from({ length: 10 }, () => digestOf("v1")));
    const answers = await Promise.all(
      Array.from({ length: 10 }, async (_, i) => {
        await Bun.sleep(i * 10);
        return host.must("GET", `/v2/a/b/blobs/${image.layer}`);
      }),
    );
    for (const { bytes } of answers) expect(bytes.equals(layer)).toBe(true);
    expect(upstream.asked).toEqual(["resolve v1", "manifest v1", `blob ${image.layer}`]);
  });

  test("a client sees bytes before the last ones have come", async () => {
    const upstream = new FakeUpstream();
    const image = upstream.addImage("v1", layerOf(1 << 20));
    const { promise: seen, resolve: setSeen } = Promise.withResolvers<void>();
    upstream.beforePiece = (i) => (i < 8 ? Promise.resolve() : seen);
    await start(upstream);
    await digestOf("v1");
    const socket = await host.raw();
    socket.write(`GET /v2/a/b/blobs/${image.layer} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    let received = 0;
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    socket.on("close", () => resolve());
    socket.on("data", (chunk: Buffer) => {
      received += chunk.length;
      if (received > 256 << 10) setSeen();
    });
    await closed;
    expect(received).toBeGreaterThan(1 << 20);
  });

  test("one who comes late sees bytes before the last ones have come, too", async () => {
    const upstream = new FakeUpstream();
    const image = upstream.addImage("v1", layerOf(1 << 20));
    const { promise: seen, resolve: setSeen } = Promise.withResolvers<void>();
    const { promise: begun, resolve: setBegun } = Promise.withResolvers<void>();
    upstream.beforePiece = (i) => {
      if (i < 8) return Promise.resolve();
      setBegun();
      return seen;
    };
    await start(upstream);
    await digestOf("v1");
    const first = host.must("GET", `/v2/a/b/blobs/${image.layer}`);
    await begun;
    const socket = await host.raw();
    socket.write(`GET /v2/a/b/blobs/${image.layer} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    let received = 0;
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    socket.on("close", () => resolve());
    socket.on("data", (chunk: Buffer) => {
      received += chunk.length;
      if (received > 256 << 10) setSeen();
    });
    await closed;
    expect(received).toBeGreaterThan(1 << 20);
    expect((await first).bytes.length).toBe(1 << 20);
    expect(upstream.asked.filter((what) => what.startsWith("blob"))).toHaveLength(1);
  });

  test("one who reads slowly holds up nobody, and gets every byte", async () => {
    const upstream = new FakeUpstream();
    const layer = layerOf(48 << 20);
    const image = upstream.addImage("v1", layer);
    await start(upstream);
    await digestOf("v1");
    const socket = await host.raw();
    const chunks: Buffer[] = [];
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    socket.on("close", () => resolve());
    socket.write(`GET /v2/a/b/blobs/${image.layer} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    socket.pause();
    const fast = await host.must("GET", `/v2/a/b/blobs/${image.layer}`);
    expect(fast.bytes.equals(layer)).toBe(true);
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.resume();
    await closed;
    const all = Buffer.concat(chunks);
    expect(all.subarray(all.indexOf("\r\n\r\n") + 4).equals(layer)).toBe(true);
    expect(upstream.asked.filter((what) => what.startsWith("blob"))).toHaveLength(1);
  });

  test("a client that leaves does not end the fetch", async () => {
    const upstream = new FakeUpstream();
    const image = upstream.addImage("v1", layerOf(1 << 20));
    upstream.beforePiece = () => Bun.sleep(3);
    await start(upstream);
    await digestOf("v1");
    const socket = await host.raw();
    socket.write(`GET /v2/a/b/blobs/${image.layer} HTTP/1.1\r\nHost: x\r\n\r\n`);
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.once("data", () => resolve());
    await promise;
    socket.destroy();
    while (host.content.stat(image.layer) === undefined) await Bun.sleep(5);
    expect(upstream.asked.filter((what) => what.startsWith("blob"))).toHaveLength(1);
  });
});

describe("an upstream that lies", () => {
  test("about a blob's bytes: no client gets the whole, and nothing is kept", async () => {
    const upstream = new FakeUpstream();
    const image = upstream.addImage("v1", layerOf(200_000));
    upstream.blobs.set(image.layer, Buffer.alloc(200_000, 1));
    await start(upstream);
    await digestOf("v1");
    const answer = await host.rawAnswer(
      `GET /v2/a/b/blobs/${image.layer} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    );
    expect(answer.length).toBeLessThan(200_000);
    expect(host.content.stat(image.layer)).toBeUndefined();
    expect(host.log.join("")).toContain("a blob did not come whole");
  });

  test("about a blob's size", async () => {
    for (const size of [100, 300_000]) {
      const upstream = new FakeUpstream();
      const image = upstream.addImage("v1", layerOf(200_000));
      upstream.blobs.set(image.layer, layerOf(size));
      await start(upstream);
      await digestOf("v1");
      const path = `/v2/a/b/blobs/${image.layer}`;
      const answer = await host.rawAnswer(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      expect(answer.length).toBeLessThan(200_000);
      expect(host.content.stat(image.layer)).toBeUndefined();
      if (size === 100) await host.close();
    }
  });

  test("about a manifest", async () => {
    const upstream = new FakeUpstream();
    const image = upstream.addImage("v1", layerOf(100));
    upstream.manifests.set(image.manifest, { bytes: Buffer.from("{}"), mediaType: OCI_MANIFEST });
    await start(upstream);
    expect(codeOf(await host.ask("GET", `/v2/a/b/manifests/${image.manifest}`))).toBe("503 UNAVAILABLE");
    expect(codeOf(await host.ask("GET", "/v2/a/b/manifests/v1"))).toBe("503 UNAVAILABLE");
    expect(host.content.list()).toEqual([]);
  });

  test("about having a blob", async () => {
    const upstream = new FakeUpstream();
    const image = upstream.addImage("v1", layerOf(100));
    upstream.blobs.delete(image.layer);
    await start(upstream);
    await digestOf("v1");
    const path = `/v2/a/b/blobs/${image.layer}`;
    expect(codeOf(await host.ask("GET", path))).toBe("404 BLOB_UNKNOWN");
    expect(codeOf(await host.ask("GET", path, { headers: { Range: "bytes=0-1" } }))).toBe("404 BLOB_UNKNOWN");
  });
});
