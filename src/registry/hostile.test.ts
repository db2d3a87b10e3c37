/** What strangers may send: everything is answered, nothing is believed, and memory stays what it was. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { sha256Of } from "../specs/oci-image/digest.ts";
import {
  codeOf,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_LAYER,
  OCI_MANIFEST,
  RegistryHost,
} from "./testing/registry-host.ts";

let host: RegistryHost;
let config: { digest: string; size: number };
beforeAll(async () => {
  host = await RegistryHost.start({ limits: { idleMs: 300, graceMs: 400, leastBytesPerSecond: 2000 } });
  config = await host.pushBlob("evil", "{}");
});
afterAll(() => host.close());

const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";

/** Fields in the place of a good image manifest's, as text, so that what JSON.stringify would not write can be written. */
function manifestWith(replace: Readonly<Record<string, string | undefined>>): string {
  const fields: Record<string, string | undefined> = {
    schemaVersion: "2",
    mediaType: JSON.stringify(OCI_MANIFEST),
    config: JSON.stringify({ mediaType: OCI_CONFIG, ...config }),
    layers: "[]",
    ...replace,
  };
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(",")}}`;
}

function layerWith(replace: object): string {
  return JSON.stringify([{ mediaType: OCI_LAYER, digest: sha256Of("x"), size: 1, ...replace }]);
}

const BAD_DIGESTS = [
  "",
  "sha256",
  "sha256:",
  "sha256:../../../../etc/passwd",
  `sha256:${"A".repeat(64)}`,
  `sha256:${"a".repeat(63)}`,
  `sha256:${"a".repeat(65)}`,
  `SHA256:${"a".repeat(64)}`,
  `sha256:${"a".repeat(63)}\n`,
  `sha512:${"a".repeat(64)}`,
  `${"a".repeat(300)}:x`,
  "md5:\u0000",
];

const MANIFESTS: readonly (readonly [string, () => string | Uint8Array])[] = [
  ["nothing", () => ""],
  ["a space", () => " "],
  ["no JSON", () => "<xml/>"],
  ["half of one", () => manifestWith({}).slice(0, -1)],
  ["two of them", () => manifestWith({}) + manifestWith({})],
  ["null", () => "null"],
  ["a list", () => "[]"],
  ["a text", () => '"manifest"'],
  ["a number", () => "2"],
  ["an empty object", () => "{}"],
  ["a byte order mark", () => `\ufeff${manifestWith({})}`],
  [
    "bytes that are not UTF-8",
    () => Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]),
  ],
  ["UTF-16", () => Buffer.from(manifestWith({}), "utf16le")],
  ["a comment", () => `/* */${manifestWith({})}`],
  ["a trailing comma", () => manifestWith({}).replace(/\}$/, ",}")],
  ["100,000 levels of lists", () => manifestWith({ x: "[".repeat(100_000) + "]".repeat(100_000) })],
  ["300 levels of objects", () => manifestWith({ x: `${'{"a":'.repeat(300)}1${"}".repeat(300)}` })],
  ["schema 1", () => '{"schemaVersion":1,"name":"a","tag":"b","fsLayers":[],"history":[]}'],
  ["schema 3", () => manifestWith({ schemaVersion: "3" })],
  ["a version that is text", () => manifestWith({ schemaVersion: '"2"' })],
  ["a version that is none", () => manifestWith({ schemaVersion: "2.5" })],
  ["no version", () => manifestWith({ schemaVersion: undefined })],
  ["another media type inside", () => manifestWith({ mediaType: JSON.stringify(OCI_INDEX) })],
  ["a media type that is a number", () => manifestWith({ mediaType: "7" })],
  ["no configuration", () => manifestWith({ config: undefined })],
  ["a configuration that is null", () => manifestWith({ config: "null" })],
  ["a configuration that is a list", () => manifestWith({ config: "[]" })],
  [
    "a configuration without digest",
    () => manifestWith({ config: `{"mediaType":"${OCI_CONFIG}","size":2}` }),
  ],
  ["a configuration without type", () => manifestWith({ config: `{"digest":"${sha256Of("{}")}","size":2}` })],
  ["no layers", () => manifestWith({ layers: undefined })],
  ["layers that are null", () => manifestWith({ layers: "null" })],
  ["layers that are an object", () => manifestWith({ layers: "{}" })],
  ["a layer that is null", () => manifestWith({ layers: "[null]" })],
  ["a layer that is a list", () => manifestWith({ layers: "[[]]" })],
  ["a layer without size", () => manifestWith({ layers: layerWith({ size: undefined }) })],
  ["a layer of negative size", () => manifestWith({ layers: layerWith({ size: -1 }) })],
  ["a layer of half a byte", () => manifestWith({ layers: layerWith({ size: 0.5 }) })],
  ["a layer of 2^60 bytes", () => manifestWith({ layers: layerWith({ size: 2 ** 60 }) })],
  ["a layer whose size is text", () => manifestWith({ layers: layerWith({ size: "1" }) })],
  [
    "a layer of 1e999 bytes",
    () => manifestWith({ layers: layerWith({ size: 777 }).replace("777", "1e999") }),
  ],
  [
    "a layer with a type of two lines",
    () => manifestWith({ layers: layerWith({ mediaType: "a/b\r\nX: y" }) }),
  ],
  ["a layer whose type is none", () => manifestWith({ layers: layerWith({ mediaType: "layer" }) })],
  ["a layer with urls that are text", () => manifestWith({ layers: layerWith({ urls: "http://x" }) })],
  ["5000 layers", () => manifestWith({ layers: `[${`${layerWith({}).slice(1, -1)},`.repeat(4999)}{}]` })],
  ["an index's manifests", () => manifestWith({ manifests: "[]" })],
  ["schema 1's layers", () => manifestWith({ fsLayers: "[]" })],
  ["schema 1's history", () => manifestWith({ history: "[]" })],
  ["keys that differ in case", () => manifestWith({ Layers: "[]" })],
  ["a subject that is text", () => manifestWith({ subject: '"x"' })],
  ["a subject without digest", () => manifestWith({ subject: "{}" })],
  [
    "a subject with a path for a digest",
    () => manifestWith({ subject: layerWith({ digest: "../x:y" }).slice(1, -1) }),
  ],
  ["annotations that are a list", () => manifestWith({ annotations: "[]" })],
  ["annotations that are no texts", () => manifestWith({ annotations: '{"a":{"b":1}}' })],
  ["a type of artifact that is none", () => manifestWith({ artifactType: '"x"' })],
  ["a type of artifact that is a header", () => manifestWith({ artifactType: '"a/b\\r\\nSet-Cookie: x"' })],
  ...BAD_DIGESTS.map(
    (digest) =>
      [
        `digest ${JSON.stringify(digest).slice(0, 40)}`,
        () => manifestWith({ layers: layerWith({ digest }) }),
      ] as const,
  ),
];

describe("malformed manifests", () => {
  test.each(MANIFESTS.map(([name, make]) => ({ name, make })))("$name", async ({ make }) => {
    const headers = { "Content-Type": OCI_MANIFEST };
    const answer = await host.ask("PUT", "/v2/evil/manifests/x", { body: make(), headers });
    expect(codeOf(answer)).toBe("400 MANIFEST_INVALID");
    expect((await host.ask("GET", "/v2/evil/manifests/x")).status).toBe(404);
  });

  test("there are enough of them, and the one they are made from is fine", async () => {
    expect(MANIFESTS.length).toBeGreaterThan(60);
    const headers = { "Content-Type": OCI_MANIFEST };
    await host.must("PUT", "/v2/evil/manifests/good", { body: manifestWith({}), headers });
  });

  test.each([
    "",
    "text/html",
    OCI_INDEX,
    DOCKER_MANIFEST,
    "application/vnd.docker.distribution.manifest.v1+json",
    "x",
  ])("content type %p is refused", async (type) => {
    const headers = { "Content-Type": type };
    const answer = await host.ask("PUT", "/v2/evil/manifests/x", { body: manifestWith({}), headers });
    expect(codeOf(answer)).toBe("400 MANIFEST_INVALID");
  });

  test("names that JavaScript knows are only names", async () => {
    const annotations = '{"__proto__":"a","constructor":"b","toString":"c"}';
    const subject = JSON.stringify({ mediaType: OCI_MANIFEST, digest: sha256Of("s"), size: 1 });
    const body = manifestWith({ annotations, subject });
    await host.must("PUT", "/v2/evil/manifests/__proto__", {
      body,
      headers: { "Content-Type": OCI_MANIFEST },
    });
    const found = await host.must("GET", `/v2/evil/referrers/${sha256Of("s")}`);
    expect(found.text).toContain(`"annotations":${annotations}`);
    const tags = await host.must("GET", "/v2/evil/tags/list");
    expect(tags.text).toContain("__proto__");
    expect((await host.ask("GET", "/v2/evil/manifests/constructor")).status).toBe(404);
    expect((await host.ask("GET", "/v2/constructor/tags/list")).status).toBe(404);
  });
});

describe("paths", () => {
  test.each([
    "/v2/../../etc/passwd",
    "/v2/a/../b/tags/list",
    "/v2/a/%2e%2e/tags/list",
    "/v2/a%2Fb/tags/list",
    "/v2/a%00/tags/list",
    "/v2/a/blobs/..%2F..%2Fmetadata.db",
    "/v2/a/blobs/sha256:..%2F..%2F..%2Fetc%2Fpasswd",
    "/v2/a/blobs/uploads/..%2F..%2Fx",
    "/v2/a/blobs/uploads/../../x",
    "/v2/a/manifests/..",
    "/v2/a/manifests/%2e%2e%2f",
    "/v2//tags/list",
    "/v2/a//b/tags/list",
    "/v2/a/%/tags/list",
    "/v2/a/%ff/tags/list",
    "//v2/",
    "http://127.0.0.1/v2/",
    "*",
    `/v2/${"a/".repeat(300)}tags/list`,
    `/${"x".repeat(9000)}`,
  ])("%s", async (path) => {
    const answer = await host.rawAnswer(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
  });

  test("identifiers of uploads are looked up, never opened", async () => {
    for (const id of ["x", "a".repeat(5000), "%2e%2e", "0000", "..%5c"])
      for (const method of ["GET", "PATCH", "DELETE"])
        expect([404]).toContain((await host.ask(method, `/v2/evil/blobs/uploads/${id}`)).status);
  });
});

describe("requests", () => {
  test.each([
    ["no request at all", "\0\x01\x02\r\n\r\n"],
    ["an unknown method", "BREW /v2/ HTTP/1.1\r\nHost: x\r\n\r\n"],
    ["HTTP/2 by prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    [
      "two lengths",
      "POST /v2/evil/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    ],
    [
      "a length and chunks",
      "POST /v2/evil/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ["a negative length", "POST /v2/evil/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n"],
    ["a header without a name", "GET /v2/ HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n"],
    ["a header of 128 KiB", `GET /v2/ HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(128 << 10)}\r\n\r\n`],
    ["20,000 headers", `GET /v2/ HTTP/1.1\r\nHost: x\r\n${"X-A: y\r\n".repeat(20_000)}\r\n`],
    ["a target of 128 KiB", `GET /v2/${"y".repeat(128 << 10)} HTTP/1.1\r\nHost: x\r\n\r\n`],
  ])("%s is refused and the connection closed", async (_name, text) => {
    expect(await host.rawAnswer(text)).toMatch(/^(HTTP\/1\.1 4\d\d |$)/);
    expect((await host.ask("GET", "/v2/")).status).toBe(200);
  });

  test("a body that stops is given up, and its bytes are kept", async () => {
    const begun = await host.must("POST", "/v2/evil/blobs/uploads/");
    const location = String(begun.headers.location);
    const answer = await host.rawAnswer(
      `PATCH ${location} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nsome bytes`,
    );
    expect(answer).toContain("HTTP/1.1 408 ");
    expect((await host.ask("GET", location)).headers.range).toBe("0-9");
  });

  test("a body that only drips is given up", async () => {
    const begun = await host.must("POST", "/v2/evil/blobs/uploads/");
    const socket = await host.raw();
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    let received = "";
    socket.on("data", (chunk: Buffer) => {
      received += chunk.toString();
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve());
    socket.write(
      `PATCH ${String(begun.headers.location)} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n`,
    );
    const drip = setInterval(() => socket.write("x"), 50);
    await closed;
    clearInterval(drip);
    expect(received).toContain("HTTP/1.1 408 ");
  });

  test("whoever reads nothing loses the connection", async () => {
    const { digest } = await host.pushBlob("evil", Buffer.alloc(32 << 20));
    const socket = await host.raw();
    socket.pause();
    socket.on("error", () => {});
    socket.write(`GET /v2/evil/blobs/${digest} HTTP/1.1\r\nHost: x\r\n\r\n`);
    const before = Date.now();
    while (!host.registry.metrics().includes("gantry_registry_requests 1\n")) await Bun.sleep(1);
    while (!host.registry.metrics().includes("gantry_registry_requests 0\n")) {
      expect(Date.now() - before).toBeLessThan(10_000);
      await Bun.sleep(20);
    }
    expect(Date.now() - before).toBeGreaterThan(200);
    socket.destroy();
  });

  test("a client that goes away in the middle keeps what it sent", async () => {
    const begun = await host.must("POST", "/v2/evil/blobs/uploads/");
    const location = String(begun.headers.location);
    const socket = await host.raw();
    socket.on("error", () => {});
    socket.write(`PATCH ${location} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345`);
    while ((await host.ask("GET", location)).headers.range !== "0-4") await Bun.sleep(5);
    socket.destroy();
    const rest = await host.ask("PATCH", location, { body: "67890", headers: { "Content-Range": "5-9" } });
    expect([rest.status, rest.headers.range]).toEqual([202, "0-9"]);
    await host.must("PUT", `${location}?digest=${sha256Of("1234567890")}`);
  });

  test("a second writer takes over from one that hangs", async () => {
    const begun = await host.must("POST", "/v2/evil/blobs/uploads/");
    const location = String(begun.headers.location);
    const hanging = host.rawAnswer(
      `PATCH ${location} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n12345`,
    );
    while ((await host.ask("GET", location)).headers.range !== "0-4") await Bun.sleep(5);
    const rest = await host.ask("PATCH", location, { body: "678", headers: { "Content-Range": "5-7" } });
    expect([rest.status, rest.headers.range]).toEqual([202, "0-7"]);
    expect(await hanging).toContain("BLOB_UPLOAD_INVALID");
    await host.must("PUT", `${location}?digest=${sha256Of("12345678")}`);
  });
});

test("any number of writers at the same time leave one upload with one of them", async () => {
  const location = String((await host.must("POST", "/v2/evil/blobs/uploads/")).headers.location);
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, i) =>
      host.ask("PATCH", location, { body: `writer ${i} `.padEnd(12), headers: { "Content-Range": "0-11" } }),
    ),
  );
  const statuses = answers.map(({ status }) => status);
  expect(statuses.filter((status) => status === 202)).toHaveLength(1);
  for (const status of statuses) expect([202, 400, 416]).toContain(status);
  expect((await host.ask("GET", location)).headers.range).toBe("0-11");
  expect((await host.ask("DELETE", location)).status).toBe(204);
});

test("a blob beyond the limit is refused before it is sent, and while it is", async () => {
  const small = await RegistryHost.start({ limits: { maxBlobBytes: 1000 } });
  try {
    const location = String((await small.must("POST", "/v2/a/blobs/uploads/")).headers.location);
    expect(codeOf(await small.ask("PATCH", location, { body: "x".repeat(1001) }))).toBe("413 SIZE_INVALID");
    await small.must("PATCH", location, { body: "x".repeat(600) });
    expect(codeOf(await small.ask("PATCH", location, { body: "x".repeat(401), chunked: true }))).toBe(
      "413 SIZE_INVALID",
    );
    // An endless body: what comes after the answer is not waited for.
    const socket = await small.raw();
    socket.on("error", () => {});
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    socket.on("close", () => resolve());
    socket.resume();
    socket.write(`PATCH ${location} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n`);
    const chunk = `10000\r\n${"x".repeat(0x10000)}\r\n`;
    const more = (): void => {
      while (!socket.destroyed && socket.write(chunk));
    };
    socket.on("drain", more);
    more();
    await closed;
    expect((await small.ask("GET", "/v2/")).status).toBe(200);
  } finally {
    await small.close();
  }
}, 20_000);

test("uploads in progress, transfers of one client and requests have limits", async () => {
  const small = await RegistryHost.start({
    limits: { maxUploads: 2, maxTransfersPerClient: 1, maxRequests: 3 },
  });
  try {
    const location = String((await small.must("POST", "/v2/a/blobs/uploads/")).headers.location);
    await small.must("POST", "/v2/a/blobs/uploads/");
    const third = await small.ask("POST", "/v2/a/blobs/uploads/");
    expect(codeOf(third)).toBe("429 TOOMANYREQUESTS");
    expect(third.headers["retry-after"]).toBe("60");
    const socket = await small.raw();
    socket.write(`PATCH ${location} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345`);
    while ((await small.ask("GET", location)).headers.range !== "0-4") await Bun.sleep(5);
    expect(
      codeOf(await small.ask("POST", `/v2/a/blobs/uploads/?digest=${sha256Of("x")}`, { body: "x" })),
    ).toBe("429 TOOMANYREQUESTS");
    expect((await small.ask("GET", "/v2/")).status).toBe(200);
    socket.destroy();
  } finally {
    await small.close();
  }
});
