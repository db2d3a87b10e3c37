import { afterEach, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../../test/support/until.ts";
import { connectSocket } from "../base/bun-socket.ts";
import type { ByteStream } from "../base/byte-stream.ts";
import { EngineClient, readAll } from "./engine-client.ts";
import { jsonLines } from "./json-lines.ts";
import { ResponseError } from "./response-error.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const undo of cleanups.splice(0).reverse()) undo();
});

function socketPath(): string {
  const dir = mkdtempSync(join(tmpdir(), "gantry-client-"));
  cleanups.push(() => rmSync(dir, { recursive: true }));
  return join(dir, "engine.sock");
}

function clientOf(path: string, version?: string): EngineClient {
  const connect = () => connectSocket({ kind: "unix", path });
  return new EngineClient({ connect, connectEarly: connect, host: "test", ...(version ? { version } : {}) });
}

interface Server {
  readonly path: string;
  readonly connections: () => number;
  readonly server: http.Server;
}

async function serve(
  handler: (request: http.IncomingMessage, response: http.ServerResponse) => unknown,
): Promise<Server> {
  const path = socketPath();
  let connections = 0;
  const server = http.createServer((request, response) => {
    handler(request, response);
  });
  server.on("connection", () => connections++);
  await new Promise<void>((resolve) => {
    server.listen(path, resolve);
  });
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { path, connections: () => connections, server };
}

/** Answers every connection with the same bytes, whatever it asks, then closes it. */
async function serveBytes(...pieces: string[]): Promise<string> {
  const path = socketPath();
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => {
      const next = (at: number): void => {
        const piece = pieces[at];
        if (piece === undefined) socket.end();
        else socket.write(piece, () => setImmediate(next, at + 1));
      };
      next(0);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(path, resolve);
  });
  cleanups.push(() => server.close());
  return path;
}

async function bodyOf(request: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString();
}

async function failureOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "no failure",
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
}

const GET_INFO = { method: "GET", path: "/info" } as const;

describe("EngineClient", () => {
  test("sends version prefix, query, JSON and headers as the engine expects them", async () => {
    const seen = Promise.withResolvers<unknown>();
    const { path } = await serve(async (request, response) => {
      const { method, url, headers } = request;
      seen.resolve({
        method,
        url,
        type: headers["content-type"],
        host: headers.host,
        body: await bodyOf(request),
      });
      response.end("{}");
    });
    await clientOf(path).json({
      method: "POST",
      path: "/containers/create",
      query: { name: "a b&c", size: 1, all: undefined, platforms: ["x", "y"] },
      json: { Image: "é" },
    });
    expect(await seen.promise).toEqual({
      method: "POST",
      url: "/v1.51/containers/create?name=a%20b%26c&size=1&platforms=x&platforms=y",
      type: "application/json",
      host: "test",
      body: '{"Image":"é"}',
    });
  });

  test("uses one connection for calls that follow each other, with length, chunks or no body", async () => {
    const { path, connections } = await serve((request, response) => {
      if (request.url?.endsWith("/chunked")) {
        response.write('{"a":');
        response.end("1}");
      } else if (request.url?.endsWith("/none")) {
        response.writeHead(204);
        response.end();
      } else response.end('{"b":2}');
    });
    const client = clientOf(path);
    expect(await client.json({ method: "GET", path: "/chunked" })).toEqual({ a: 1 });
    await client.run({ method: "POST", path: "/none" });
    expect(await client.json({ method: "GET", path: "/length" })).toEqual({ b: 2 });
    expect(await client.json({ method: "GET", path: "/chunked" })).toEqual({ a: 1 });
    expect(connections()).toBe(1);
  });

  test("opens further connections for calls at the same time", async () => {
    const waiting: http.ServerResponse[] = [];
    const { path, connections } = await serve((_, response) => {
      waiting.push(response);
      if (waiting.length === 3) for (const one of waiting) one.end("{}");
    });
    const client = clientOf(path);
    client.prepare(2);
    await Promise.all([client.json(GET_INFO), client.json(GET_INFO), client.json(GET_INFO)]);
    expect(connections()).toBe(3);
  });

  test("turns an error answer into a ResponseError with the engine's message, and goes on with the connection", async () => {
    const { path, connections } = await serve((request, response) => {
      if (request.url?.includes("nosuch")) {
        response.writeHead(404, { "Content-Type": "application/json" });
        response.end('{"message":"No such container: nosuch"}\n');
      } else response.end("{}");
    });
    const client = clientOf(path);
    const error: unknown = await client
      .json({ method: "GET", path: "/containers/nosuch/json" })
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ResponseError);
    expect(error).toMatchObject({ status: 404, category: "not_found", message: "No such container: nosuch" });
    await client.json(GET_INFO);
    expect(connections()).toBe(1);
  });

  test("an error that is no JSON document is shown as text", async () => {
    const { path } = await serve((_, response) => {
      response.writeHead(500);
      response.end("page not found\n");
    });
    expect(await failureOf(clientOf(path).json(GET_INFO))).toMatch("page not found");
  });

  test("falls back to the engine's version once it is told that its own is too new, also for parallel calls", async () => {
    const urls: string[] = [];
    const { path } = await serve((request, response) => {
      urls.push(request.url ?? "");
      if (request.url?.startsWith("/v1.51/")) {
        response.writeHead(400, { "Content-Type": "application/json" });
        response.end('{"message":"client version 1.51 is too new. Maximum supported API version is 1.45"}');
      } else response.end("{}");
    });
    const client = clientOf(path);
    await Promise.all([client.json(GET_INFO), client.json(GET_INFO)]);
    await client.json(GET_INFO);
    expect(client.version).toBe("1.45");
    expect(urls.filter((url) => url === "/v1.45/info")).toHaveLength(3);
  });

  test("knows the engine's version before it asks with HEAD, whose answer could not tell it", async () => {
    const { path } = await serve((request, response) => {
      if (request.url?.startsWith("/v1.51/") === true) {
        response.writeHead(400, { "Content-Type": "application/json" });
        response.end('{"message":"client version 1.51 is too new. Maximum supported API version is 1.45"}');
      } else response.end();
    });
    const response = await clientOf(path).run({ method: "HEAD", path: "/containers/c/archive" });
    expect(response.status).toBe(200);
  });

  test("does not fall back from a version that the user chose", async () => {
    const { path } = await serve((_, response) => {
      response.writeHead(400, { "Content-Type": "application/json" });
      response.end('{"message":"client version 1.60 is too new. Maximum supported API version is 1.51"}');
    });
    expect(await failureOf(clientOf(path, "1.60").json(GET_INFO))).toMatch("too new");
  });

  test("hijack() hands over bytes that came with the head, half-closes and reads on", async () => {
    const { path, server } = await serve(() => {});
    server.on("upgrade", (_, socket) => {
      socket.write(
        "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nfirst ",
      );
      let seen = "";
      socket.on("data", (chunk: Buffer) => {
        seen += chunk.toString();
      });
      socket.on("end", () => socket.end(`then ${seen}`));
    });
    const { stream, multiplexed } = await clientOf(path).hijack({
      method: "POST",
      path: "/containers/x/attach",
    });
    await stream.write(Buffer.from("input"));
    await stream.endWrite();
    expect((await readAll(stream, 1000)).toString()).toBe("first then input");
    expect(multiplexed).toBe(true);
  });

  test("an upload goes out chunked and reads its progress at the same time", async () => {
    const { path } = await serve(async (request, response) => {
      if (request.url?.endsWith("/_ping")) return void response.end();
      response.write('{"n":0}\r\n');
      let n = 0;
      for await (const chunk of request) n += Buffer.from(chunk).length;
      response.end(`{"n":${n}}\r\n`);
    });
    const first = Promise.withResolvers<void>();
    async function* upload(): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(1000);
      await first.promise;
      yield Buffer.alloc(234);
    }
    const response = await clientOf(path).call({ method: "POST", path: "/images/load", upload: upload() });
    const seen: unknown[] = [];
    for await (const line of jsonLines(response.body)) {
      seen.push(line);
      first.resolve();
    }
    expect(seen).toEqual([{ n: 0 }, { n: 1234 }]);
  });

  test("an upload ends early when the engine refuses it", async () => {
    const { path } = await serve((request, response) => {
      if (request.url?.endsWith("/_ping")) return void response.end();
      response.writeHead(400, { "Content-Type": "application/json", Connection: "close" });
      response.end('{"message":"not an archive"}');
    });
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) yield Buffer.alloc(65536);
    }
    const loading = clientOf(path).call({ method: "POST", path: "/images/load", upload: endless() });
    expect(await failureOf(loading)).toMatch("not an archive");
  });

  test("a source of an upload that fails ends the call with its error", async () => {
    const { path } = await serve((request, response) => {
      if (request.url?.endsWith("/_ping")) response.end();
    });
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(10);
      throw new Error("disk gone");
    }
    expect(
      await failureOf(clientOf(path).call({ method: "POST", path: "/images/load", upload: broken() })),
    ).toMatch("disk gone");
  });
});

describe("EngineClient.ready()", () => {
  test("is true where somebody listens, and its connection is the one of the next call", async () => {
    const { path, connections } = await serve((_, response) => response.end("{}"));
    const client = clientOf(path);
    expect(await client.ready()).toBe(true);
    expect(await client.json(GET_INFO)).toEqual({});
    expect(await client.json(GET_INFO)).toEqual({});
    expect(connections()).toBe(1);
  });

  test("takes a connection that was opened ahead", async () => {
    const { path, connections } = await serve((_, response) => response.end("{}"));
    const client = clientOf(path);
    client.prepare(1);
    expect(await client.ready()).toBe(true);
    await client.json(GET_INFO);
    expect(connections()).toBe(1);
  });

  test("asks for nothing", async () => {
    let calls = 0;
    const { path } = await serve((_, response) => {
      calls++;
      response.end("{}");
    });
    const client = clientOf(path);
    expect(await client.ready()).toBe(true);
    expect(await client.ready()).toBe(true);
    await client.json(GET_INFO);
    expect(calls).toBe(1);
  });

  test("is false where nobody does, and the next call says why", async () => {
    const path = socketPath();
    const usual = await failureOf(clientOf(path).json(GET_INFO));
    for (const count of [0, 1]) {
      const client = clientOf(path);
      client.prepare(count);
      expect(await client.ready()).toBe(false);
      expect(await failureOf(client.json(GET_INFO))).toBe(usual);
    }
  });

  // Connecting may start an engine.
  test("does no more for a connection than can be done at once", async () => {
    let starts = 0;
    const connect = () => {
      starts++;
      return Promise.reject(new Error("started in vain"));
    };
    const connectEarly = () => Promise.reject(new Error("not before it is needed"));
    const client = new EngineClient({ connect, connectEarly, host: "test" });
    expect(await client.ready()).toBe(false);
    expect(starts).toBe(0);
    expect(await failureOf(client.json(GET_INFO))).toBe("started in vain");
  });
});

describe("EngineClient.close()", () => {
  const GONE = "the connection to the engine was given up";

  test("makes a call fail whose answer is awaited, and the next ones", async () => {
    const asked = Promise.withResolvers<http.IncomingMessage>();
    const { path } = await serve((request) => asked.resolve(request));
    const client = clientOf(path);
    const call = failureOf(client.json(GET_INFO));
    const left = once((await asked.promise).socket, "close");
    client.close();
    expect(await call).toBe("the engine closed the connection without a response");
    await left;
    expect(await failureOf(client.json(GET_INFO))).toBe(GONE);
    expect(await failureOf(client.ready())).toBe(GONE);
  });

  test("makes a call fail whose answer has begun", async () => {
    const { path } = await serve((_, response) => response.write("some "));
    const client = clientOf(path);
    const { body } = await client.call(GET_INFO);
    expect(String(await body.read())).toBe("some ");
    const rest = failureOf(body.read());
    client.close();
    expect(await rest).toBe("the engine closed the connection in the middle of a response");
  });

  test("closes connections that wait for a call", async () => {
    const { path, server } = await serve((_, response) => response.end("{}"));
    const sockets: net.Socket[] = [];
    server.on("connection", (socket) => sockets.push(socket));
    const client = clientOf(path);
    await client.json(GET_INFO);
    client.prepare(2);
    await client.ready();
    await until("three connections", () => sockets.length === 3);
    client.close();
    await until("their end", () => sockets.every((socket) => socket.destroyed));
    expect(await failureOf(client.json(GET_INFO))).not.toBe("no failure");
  });

  test("ends a stream that a connection was made of", async () => {
    const { path, server } = await serve(() => {});
    const left = Promise.withResolvers<void>();
    server.on("upgrade", (_, socket) => {
      socket.write("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nfirst");
      socket.on("error", () => {});
      socket.on("close", () => left.resolve());
      socket.resume();
    });
    const client = clientOf(path);
    const { stream } = await client.hijack({ method: "POST", path: "/containers/x/attach" });
    expect(String(await stream.read())).toBe("first");
    const next = stream.read();
    client.close();
    expect(await next).toBeUndefined();
    expect(await failureOf(stream.write(Buffer.from("more")))).not.toBe("no failure");
    await left.promise;
  });

  test("is no failure of a connection that could not be opened", async () => {
    const opening = Promise.withResolvers<ByteStream>();
    const connect = () => opening.promise;
    const client = new EngineClient({ connect, connectEarly: connect, host: "test" });
    client.prepare(1);
    client.close();
    opening.reject(new Error("nobody there"));
    // What nobody handles fails the test.
    await new Promise((resolve) => setImmediate(resolve));
  });

  test("gives a connection up that is being opened", async () => {
    const opening = Promise.withResolvers<ByteStream>();
    let closes = 0;
    const stream: ByteStream = {
      read: () => Promise.resolve(undefined),
      write: () => Promise.resolve(),
      endWrite: () => Promise.resolve(),
      close: () => closes++,
    };
    const connect = () => opening.promise;
    const client = new EngineClient({ connect, connectEarly: connect, host: "test" });
    client.prepare(2);
    const calls = [client.ready(), client.json(GET_INFO), client.json(GET_INFO)].map(failureOf);
    client.prepare(1);
    client.close();
    opening.resolve(stream);
    expect(await Promise.all(calls)).toEqual([GONE, GONE, GONE]);
    expect(closes).toBe(4);
  });
});

describe("HTTP framing", () => {
  const good: [string, string[], string][] = [
    ["a head in single bytes", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".split(""), "hi"],
    [
      "chunks cut anywhere",
      [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2",
        "\r\nhe\r",
        "\n3;x=y\r\nllo\r\n0\r\n",
        "T: 1\r\n\r\n",
      ],
      "hello",
    ],
    ["a body until the end", ["HTTP/1.0 200 OK\r\n\r\nhel", "lo"], "hello"],
    [
      "an interim answer",
      ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"],
      "x",
    ],
  ];
  for (const [name, pieces, body] of good)
    test(`reads ${name}`, async () => {
      expect(await clientOf(await serveBytes(...pieces)).text(GET_INFO)).toBe(body);
    });

  const bad: [string, string, RegExp][] = [
    ["no answer at all", "", /closed the connection without a response/],
    ["a body that ends early", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi", /middle of a response/],
    [
      "chunks that end early",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi",
      /middle of a response/,
    ],
    [
      "a chunk length that is none",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      /invalid chunk length/,
    ],
    [
      "a length that is none",
      "HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\nhello",
      /invalid response length/,
    ],
    ["another protocol", "SSH-2.0-x\r\n\r\n", /not an HTTP response/],
    ["an endless head", `HTTP/1.1 200 OK\r\nX: ${"y".repeat(70_000)}`, /too long/],
  ];
  for (const [name, bytes, message] of bad)
    test(`fails on ${name}`, async () => {
      expect(await failureOf(clientOf(await serveBytes(bytes)).text(GET_INFO))).toMatch(message);
    });

  test("readAll() refuses more than its cap", async () => {
    const { path } = await serve((_, response) => response.end("x".repeat(1000)));
    const response = await clientOf(path).call(GET_INFO);
    expect(await failureOf(readAll(response.body, 999))).toMatch(/longer than 999 bytes/);
  });

  test("jsonLines() joins documents that come in pieces and refuses what is no JSON", async () => {
    const { path } = await serve((request, response) => {
      if (request.url?.endsWith("/bad")) return void response.end('{"a":1}\nnot json\n');
      response.write('{"a":1}\r\n{"a"');
      setImmediate(() => response.end(':2}\n\n{"a":3}'));
    });
    const read = async (path_: string): Promise<unknown[]> => {
      const documents: unknown[] = [];
      const { body } = await clientOf(path).call({ method: "GET", path: path_ });
      for await (const document of jsonLines(body)) documents.push(document);
      return documents;
    };
    expect(await read("/good")).toEqual([{ a: 1 }, { a: 2 }, { a: 3 }]);
    expect(await failureOf(read("/bad"))).toMatch(/not JSON/);
  });
});
