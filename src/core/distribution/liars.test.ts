/** Registries that lie, stall, flood and loop: each gets one clean error, in bounded time and memory. */
import { describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { GantryError } from "../../base/errors.ts";
import { rejection } from "../../base/testing/rejection.ts";
import { decodeDocument } from "../../specs/oci-image/document.ts";
import { decodeIndex, decodeManifest } from "../../specs/oci-image/manifest.ts";
import { client, manifestBytes, MANIFEST_TYPE, never, repositoryAt, USER } from "./testing/client.ts";
import { answer, collect, failureOf, type Scripted, scriptedBytes } from "./testing/scripted-registry.ts";
import { openServers } from "./testing/open-servers.ts";

const { serve, keep } = openServers();

async function serveBytes(...talk: Parameters<typeof scriptedBytes>): ReturnType<typeof scriptedBytes> {
  return keep(await scriptedBytes(...talk));
}

const blob = { digest: `sha256:${"a".repeat(64)}`, sizeBytes: 1000 };
const bytes = Buffer.alloc(blob.sizeBytes, "x");

function pullBlob(host: string, offset = 0): AsyncIterable<Uint8Array> {
  return repositoryAt(host, { credentials: USER }).blob(blob, { offset, signal: never });
}

function pullManifest(host: string): Promise<unknown> {
  return repositoryAt(host, { credentials: USER }).manifest({ tag: "v1" }, never);
}

/** One clean error within `ms`, and no memory to speak of. */
async function refusal(work: () => Promise<Error>, ms = 5_000): Promise<Error> {
  const before = process.memoryUsage().rss;
  const start = performance.now();
  const error = await work();
  expect(performance.now() - start).toBeLessThan(ms);
  expect(process.memoryUsage().rss - before).toBeLessThan(128 << 20);
  expect(error).toBeInstanceOf(GantryError);
  expect(error.message.length).toBeLessThan(1500);
  expect(error.message).not.toContain(USER.password);
  return error;
}

describe("blobs", () => {
  test.each([
    [999, "the registry has 999 bytes, 1000 were announced"],
    [1001, "the registry has 1001 bytes, 1000 were announced"],
  ])("of %d bytes", async (size, text) => {
    const server = await serve((_request, response) => answer(response, 200, {}, Buffer.alloc(size)));
    expect((await refusal(() => failureOf(pullBlob(server.host)))).message).toContain(text);
    expect(server.seen.length).toBe(1);
  });

  test("too long without a length", async () => {
    const server = await serve((_request, response) => {
      response.write(bytes);
      response.end("more");
    });
    expect((await refusal(() => failureOf(pullBlob(server.host)))).message).toContain(
      "is longer than the 1000 bytes",
    );
  });

  test("without end", async () => {
    const server = await serve((_request, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(64 << 10))) continue;
      };
      response.on("drain", more);
      more();
    });
    expect((await refusal(() => failureOf(pullBlob(server.host)))).message).toContain("is longer than");
  });

  test.each([0, 1, 500, 999])("that break off after %d bytes are completed from there", async (first) => {
    let breaks = 1;
    const server = await serve((request, response) => {
      const from = Number(/\d+/.exec(request.headers.range ?? "0")?.[0]);
      const head =
        from === 0
          ? { "Content-Length": 1000 }
          : { "Content-Length": 1000 - from, "Content-Range": `bytes ${from}-999/1000` };
      response.writeHead(from === 0 ? 200 : 206, head);
      response.flushHeaders();
      if (breaks-- > 0)
        response.write(bytes.subarray(0, first), () => setTimeout(() => response.destroy(), 20));
      else response.end(bytes.subarray(from));
    });
    expect(await collect(pullBlob(server.host))).toEqual(bytes);
    expect(server.seen.map(({ headers }) => headers.range)).toEqual([
      undefined,
      first === 0 ? undefined : `bytes=${first}-`,
    ]);
  });

  test("of a server that knows no ranges are completed all the same", async () => {
    let breaks = 1;
    const numbered = Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 251));
    const server = await serve((_request, response) => {
      response.writeHead(200, { "Content-Length": 1000 });
      if (breaks-- > 0)
        response.write(numbered.subarray(0, 400), () => setTimeout(() => response.destroy(), 20));
      else response.end(numbered);
    });
    expect(await collect(pullBlob(server.host))).toEqual(numbered);
  });

  test("that always break off end after the last attempt", async () => {
    const server = await serve((_request, response) => {
      response.writeHead(200, { "Content-Length": 1000 });
      response.write("x", () => setTimeout(() => response.destroy(), 5));
    });
    await refusal(() => failureOf(pullBlob(server.host)));
    expect(server.seen.length).toBe(3);
  });

  test.each([
    ["bytes 0-999/1000"],
    ["bytes 400-998/1000"],
    ["bytes 400-999/1001"],
    ["bytes 399-999/1000"],
    ["bytes 400-999/"],
    [undefined],
    ["items 400-999/1000"],
  ])("with the range %p for bytes 400 to 999", async (range) => {
    const server = await serve((_request, response) =>
      answer(response, 206, range === undefined ? {} : { "Content-Range": range }, bytes.subarray(400)),
    );
    expect((await refusal(() => failureOf(pullBlob(server.host, 400)))).message).toContain("another range");
  });

  test("with a content encoding are refused before a byte is unpacked", async () => {
    const bomb = gzipSync(Buffer.alloc(64 << 20));
    const server = await serve((_request, response) =>
      answer(response, 200, { "Content-Encoding": "gzip", "Content-Length": bomb.length }, bomb),
    );
    expect((await refusal(() => failureOf(pullBlob(server.host)))).message).toContain(
      "an encoding that nobody asked for",
    );
  });

  test("that trickle one byte at a time have stalled", async () => {
    const server = await serve((_request, response) => {
      response.writeHead(200, { "Content-Length": 1000 });
      const timer = setInterval(() => response.write("x"), 20);
      response.on("close", () => clearInterval(timer));
    });
    const error = await refusal(() => failureOf(pullBlob(server.host)));
    expect(error.message).toContain("the transfer has stalled");
    expect(server.seen.length).toBe(3);
  });

  test("a slow reader is no stall", async () => {
    const server = await serve((_request, response) => answer(response, 200, {}, bytes));
    const chunks: Uint8Array[] = [];
    for await (const chunk of pullBlob(server.host)) {
      await new Promise((resolve) => setTimeout(resolve, 400)); // longer than a stall may last
      chunks.push(chunk);
    }
    expect(Buffer.concat(chunks)).toEqual(bytes);
  });
});

describe("answers", () => {
  test("that never come", async () => {
    const server = await serveBytes(() => {});
    await refusal(() => rejection(pullManifest(server.host)), 10_000);
  });

  test("whose headers have no end", async () => {
    const server = await serveBytes((socket) => {
      socket.write("HTTP/1.1 200 OK\r\n");
      const timer = setInterval(() => socket.write(`X-A: ${"a".repeat(60_000)}\r\n`), 1);
      socket.on("close", () => clearInterval(timer));
    });
    await refusal(() => rejection(pullManifest(server.host)));
  });

  test("whose header lines trickle", async () => {
    const server = await serveBytes((socket) => {
      socket.write("HTTP/1.1 200 OK\r\n");
      const timer = setInterval(() => socket.write("X-A: b\r\n"), 20);
      socket.on("close", () => clearInterval(timer));
    });
    await refusal(() => rejection(pullManifest(server.host)), 10_000);
  });

  test("that are only ever interim", async () => {
    const server = await serveBytes((socket) => {
      const timer = setInterval(() => socket.write("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100)), 1);
      socket.on("close", () => clearInterval(timer));
    });
    await refusal(() => rejection(pullManifest(server.host)), 10_000);
  });

  test.each([
    ["no HTTP", "SSH-2.0-OpenSSH_9.9\r\n\r\n"],
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy"],
    [
      "a length and chunks",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    ],
    ["a bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
    ["a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"],
    ["nothing", ""],
  ])("of %s", async (_name, text) => {
    const server = await serveBytes((socket) => void socket.end(text));
    await refusal(() => rejection(pullManifest(server.host)));
  });
});

describe("redirects", () => {
  test("in a circle", async () => {
    const server: Scripted = await serve((_request, response) =>
      answer(response, 302, { Location: "/v2/team/app/manifests/v1" }),
    );
    expect((await refusal(() => rejection(pullManifest(server.host)))).message).toContain("stopped after");
    expect(server.seen.length).toBe(1);
  });

  test("without end", async () => {
    let n = 0;
    const server: Scripted = await serve((_request, response) =>
      answer(response, 302, { Location: `/hop/${n++}` }),
    );
    expect((await refusal(() => rejection(pullManifest(server.host)))).message).toContain("stopped after 11");
    expect(server.seen.length).toBe(11);
  });

  test.each(["file:///etc/shadow", "ftp://127.0.0.1/", "gopher://x", "", "http://"])(
    "to %j",
    async (location) => {
      const server = await serve((_request, response) => answer(response, 302, { Location: location }));
      await refusal(() => rejection(pullManifest(server.host)));
    },
  );

  test("of an upload are not followed with the bytes", async () => {
    const server = await serve((request, response) =>
      request.method === "HEAD" ? answer(response, 404) : answer(response, 307, { Location: "/elsewhere" }),
    );
    const push = repositoryAt(server.host, { access: "push" }).pushBlob(blob, () => collectable(bytes), {
      signal: never,
      mountFrom: [],
      onProgress: () => {},
    });
    expect((await refusal(() => rejection(push))).message).toContain("refusing to repeat POST");
  });
});

async function* collectable(all: Uint8Array): AsyncGenerator<Uint8Array> {
  yield all;
}

describe("uploads", () => {
  const tricks: readonly (readonly [string, Record<string, string>])[] = [
    ["no location", {}],
    ["an empty one", { Location: "" }],
    ["a file", { Location: "file:///etc/shadow" }],
    ["one of 20,000 bytes", { Location: `/${"a".repeat(20_000)}` }],
    ["no URL", { Location: "http://[::1" }],
  ];
  test.each(tricks)("with %s", async (_name, headers) => {
    const server = await serve((request, response) =>
      request.method === "HEAD" ? answer(response, 404) : answer(response, 202, headers),
    );
    const push = repositoryAt(server.host, { access: "push" }).pushBlob(blob, () => collectable(bytes), {
      signal: never,
      mountFrom: [],
      onProgress: () => {},
    });
    await refusal(() => rejection(push));
    expect(server.seen.some(({ method }) => method === "PATCH")).toBe(false);
  });

  test("that are stored as something else", async () => {
    const server = await serve((request, response) => {
      if (request.method === "HEAD") return answer(response, 404);
      const status = request.method === "PUT" ? 201 : 202;
      return answer(response, status, {
        Location: "/up",
        "Docker-Content-Digest": `sha256:${"b".repeat(64)}`,
      });
    });
    const push = repositoryAt(server.host, { access: "push" }).pushBlob(blob, () => collectable(bytes), {
      signal: never,
      mountFrom: [],
      onProgress: () => {},
    });
    expect((await refusal(() => rejection(push))).message).toContain("under another digest");
  });

  test("to a registry that stops reading end with a stall", async () => {
    const server = await serveBytes((socket, head) => {
      if (head.startsWith("HEAD")) socket.write("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
      else if (head.startsWith("POST"))
        socket.write("HTTP/1.1 202 Ok\r\nLocation: /up\r\nContent-Length: 0\r\n\r\n");
      else socket.pause();
    });
    const large = { ...blob, sizeBytes: 256 << 20 };
    let given = 0;
    const source = async function* (): AsyncGenerator<Uint8Array> {
      for (; given < large.sizeBytes; given += 1 << 20) yield Buffer.alloc(1 << 20);
    };
    const registries = client({ maxAttempts: 1 });
    const push = repositoryAt(server.host, { access: "push", registries }).pushBlob(large, source, {
      signal: never,
      mountFrom: [],
      onProgress: () => {},
    });
    expect((await refusal(() => rejection(push))).message).toContain("the transfer has stalled");
    expect(given).toBeLessThan(64 << 20);
  });
});

describe("documents", () => {
  test("of more than 4 MiB, announced or not", async () => {
    for (const headers of [{ "Content-Length": 5 << 20 }, {}]) {
      const server = await serve((_request, response) => {
        response.writeHead(200, { "Content-Type": MANIFEST_TYPE, ...headers });
        response.end(Buffer.alloc(5 << 20, " "));
      });
      expect((await refusal(() => rejection(pullManifest(server.host)))).message).toContain(
        "4194304 are allowed".slice(0, 7),
      );
    }
  });

  test("whose digest is another", async () => {
    const server = await serve((_request, response) =>
      answer(response, 200, { "Content-Type": MANIFEST_TYPE }, manifestBytes()),
    );
    const target = {
      mediaType: MANIFEST_TYPE,
      digest: `sha256:${"d".repeat(64)}`,
      sizeBytes: manifestBytes().length,
      platform: undefined,
      annotations: {},
    };
    const repository = repositoryAt(server.host);
    expect((await refusal(() => rejection(repository.manifest(target, never)))).message).toContain(
      "manifest verification failed for digest sha256:dddd",
    );
    const named = repositoryAt(server.host, { name: `team/app@${target.digest}` });
    expect((await refusal(() => rejection(named.resolve(never)))).message).toContain(
      "manifest verification failed",
    );
  });

  test("whose HEAD and GET differ", async () => {
    const server = await serve((request, response) =>
      answer(
        response,
        200,
        {
          "Content-Type": MANIFEST_TYPE,
          "Docker-Content-Digest": `sha256:${"e".repeat(64)}`,
          "Content-Length": 100,
        },
        request.method === "HEAD" ? "" : manifestBytes().subarray(0, 100),
      ),
    );
    const repository = repositoryAt(server.host);
    const descriptor = await repository.resolve(never);
    expect((await refusal(() => rejection(repository.manifest(descriptor, never)))).message).toContain(
      "verification failed",
    );
  });

  test("of errors: endless, malformed, of the wrong shape", async () => {
    const bodies = [
      "{",
      "[]",
      '{"errors":5}',
      '{"errors":[5]}',
      `{"errors":${"[".repeat(5000)}`,
      "\u0000".repeat(100_000),
    ];
    for (const body of bodies) {
      const server = await serve((_request, response) => answer(response, 404, {}, body));
      await refusal(() => rejection(pullManifest(server.host)));
    }
  });

  test("of tags without end", async () => {
    let n = 0;
    const server = await serve((_request, response) =>
      answer(
        response,
        200,
        { Link: `</v2/team/app/tags/list?last=${n++}>; rel="next"` },
        JSON.stringify({ tags: Array.from({ length: 1000 }, (_, i) => `t${i}`) }),
      ),
    );
    expect((await refusal(() => rejection(repositoryAt(server.host).tags(never)), 15_000)).message).toContain(
      "100000 tags",
    );
    const elsewhere = await serve((_request, response) =>
      answer(response, 200, { Link: `<http://127.0.0.1:1/x>; rel="next"` }, '{"tags":[]}'),
    );
    expect((await refusal(() => rejection(repositoryAt(elsewhere.host).tags(never)))).message).toContain(
      "another registry",
    );
  });

  test("with a challenge of a megabyte", async () => {
    const server = await serveBytes((socket) => {
      socket.end(
        `HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm="${"a".repeat(1 << 20)}"\r\nContent-Length: 0\r\n\r\n`,
      );
    });
    await refusal(() => rejection(pullManifest(server.host)));
  });

  test("of tokens: too large, or none", async () => {
    for (const body of [`{"token":"${"t".repeat(10 << 20)}"}`, "{", "{}", '{"token":7}']) {
      const server: Scripted = await serve((request, response) =>
        request.path === "/token"
          ? answer(response, 200, {}, body)
          : answer(response, 401, { "WWW-Authenticate": `Bearer realm="${server.origin}/token"` }),
      );
      await refusal(() => rejection(pullManifest(server.host)));
      expect(server.seen.length).toBe(2);
    }
  });
});

describe("Retry-After", () => {
  test("a registry that is overloaded is asked again when it says so", async () => {
    let left = 2;
    const server = await serve((_request, response) =>
      left-- > 0
        ? answer(response, 429, { "Retry-After": "0" })
        : answer(response, 200, { "Content-Type": MANIFEST_TYPE }, manifestBytes()),
    );
    await pullManifest(server.host);
    expect(server.seen.length).toBe(3);
  });

  test.each(["3600", "1000000000", "Fri, 31 Dec 9999 23:59:59 GMT"])(
    "of %s is not waited for",
    async (value) => {
      const server = await serve((_request, response) => answer(response, 429, { "Retry-After": value }));
      const error = await refusal(() => rejection(pullManifest(server.host)), 1_000);
      expect(error.message).toBe("toomanyrequests: too many requests");
      expect(server.seen.length).toBe(1);
    },
  );

  test.each(["-1", "soon", ""])("of %j counts as none", async (value) => {
    const server = await serve((_request, response) => answer(response, 503, { "Retry-After": value }));
    await refusal(() => rejection(pullManifest(server.host)));
    expect(server.seen.length).toBe(3);
  });
});

describe("malformed manifests", () => {
  const layer = {
    mediaType: "application/vnd.oci.image.layer.v1.tar",
    digest: `sha256:${"a".repeat(64)}`,
    size: 3,
  };
  const base: Record<string, unknown> = JSON.parse(manifestBytes().toString());
  const index = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [{ mediaType: MANIFEST_TYPE, digest: layer.digest, size: 7 }],
  };
  const nested = (depth: number): string => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
  const sizes = [-1, 2 ** 63, 1.5, "3", null, {}, Number.MAX_VALUE];
  const digests = [
    "",
    "sha256:",
    "md5:abc",
    `sha256:${"A".repeat(64)}`,
    `sha256:${"a".repeat(63)}`,
    7,
    null,
    "../x",
    `sha512:${"a".repeat(128)}`,
  ];
  const documents: readonly (readonly [string, string])[] = [
    ["nothing", ""],
    ["null", "null"],
    ["a list", "[]"],
    ["a number", "1"],
    ["a text", '"x"'],
    ["half", manifestBytes().toString().slice(0, 100)],
    ["bytes after it", `${manifestBytes().toString()}x`],
    ["deep", nested(500)],
    ["very deep", nested(100_000)],
    ["open brackets", "[".repeat(1 << 20)],
    ["schema 1", '{"schemaVersion":1,"fsLayers":[]}'],
    ["both", JSON.stringify({ ...base, manifests: index.manifests })],
    ["an index with layers", JSON.stringify({ ...index, layers: [layer] })],
    ["an index with a config", JSON.stringify({ ...index, config: layer })],
    ["an index as a manifest", JSON.stringify({ ...index, mediaType: MANIFEST_TYPE })],
    ["a manifest as an index", JSON.stringify({ ...base, mediaType: index.mediaType })],
    ["another type", JSON.stringify({ ...base, mediaType: "application/vnd.example+json" })],
    ["a type that is no text", JSON.stringify({ ...base, mediaType: 7 })],
    ["keys in two spellings", JSON.stringify({ ...base, Layers: [] })],
    ...["schemaVersion", "config", "layers"].flatMap((key): [string, string][] =>
      [undefined, null, 7, "x", true].map((value) => [
        `${key} ${String(value)}`,
        JSON.stringify({ ...base, [key]: value }),
      ]),
    ),
    ["config a list", JSON.stringify({ ...base, config: [] })],
    ["layers an object", JSON.stringify({ ...base, layers: {} })],
    ["a layer that is null", JSON.stringify({ ...base, layers: [null] })],
    ["a layer that is a list", JSON.stringify({ ...base, layers: [[]] })],
    ...sizes
      .filter((size) => size !== null)
      .map((size): [string, string] => [
        `size ${JSON.stringify(size)}`,
        JSON.stringify({ ...base, layers: [{ ...layer, size }] }),
      ]),
    ...digests.map((digest): [string, string] => [
      `digest ${JSON.stringify(digest)}`.slice(0, 60),
      JSON.stringify({ ...base, layers: [{ ...layer, digest }] }),
    ]),
    ["an unknown layer type", JSON.stringify({ ...base, layers: [{ ...layer, mediaType: "text/html" }] })],
    ["an unknown config type", JSON.stringify({ ...base, config: { ...layer, mediaType: "text/html" } })],
    ...[null, 7, {}, [null], [7], [{ digest: "x" }]].map((manifests): [string, string] => [
      `an index with manifests ${JSON.stringify(manifests)}`,
      JSON.stringify({ ...index, manifests }),
    ]),
    ["10,001 layers", JSON.stringify({ ...base, layers: Array.from({ length: 10_001 }, () => layer) })],
    [
      "10,001 manifests",
      JSON.stringify({ ...index, manifests: Array.from({ length: 10_001 }, () => index.manifests[0]) }),
    ],
  ];

  test("are at least sixty", () => expect(documents.length).toBeGreaterThanOrEqual(55));

  test.each(documents)("%s", async (_name, text) => {
    const server = await serve((_request, response) => answer(response, 200, {}, text));
    await refusal(() =>
      rejection(
        (async () => {
          const { descriptor, bytes } = await repositoryAt(server.host).manifest({ tag: "v1" }, never);
          const isIndex = descriptor.mediaType === index.mediaType;
          if (isIndex) decodeDocument("the index", bytes, decodeIndex);
          else decodeDocument("the manifest", bytes, decodeManifest);
        })(),
      ),
    );
  });
});

test("a registry on another machine leads nobody to this one", async () => {
  const here = await serve((_request, response) => answer(response, 200, {}, "secret"));
  const proxy = await serve((_request, response) =>
    answer(response, 307, { Location: `${here.origin}/inner` }),
  );
  const registries = client({
    proxies: { http: proxy.origin, https: "", exceptions: "" },
    insecure: ["registry.example"],
  });
  const repository = repositoryAt("registry.example", { registries });
  const error = await refusal(() => rejection(repository.manifest({ tag: "v1" }, never)), 15_000);
  expect(error.message).toContain("an address of this machine");
  expect(here.seen.length).toBe(0);
});
