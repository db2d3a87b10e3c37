/** Layers that lie where their descriptors say: asked for last, without credentials, and never believed more than a registry. */
import { expect, test } from "bun:test";
import { rejection } from "../../base/testing/rejection.ts";
import { client, never, repositoryAt, USER } from "./testing/client.ts";
import { answer, collect, errorBody, failureOf, type Handler } from "./testing/scripted-registry.ts";
import { openServers } from "./testing/open-servers.ts";

const { serve } = openServers();

const bytes = Buffer.alloc(1000, "x");
const blob = { digest: `sha256:${"a".repeat(64)}`, sizeBytes: bytes.length };

/** Asks for a password, and has nothing then. */
const empty: Handler = (request, response) => {
  if (request.headers.authorization === undefined)
    answer(response, 401, { "WWW-Authenticate": 'Basic realm="r"' }, errorBody("UNAUTHORIZED", "who?"));
  else answer(response, 404, {}, errorBody("BLOB_UNKNOWN", "blob unknown to registry"));
};

function pullBlob(host: string, urls: readonly string[], offset = 0): AsyncIterable<Uint8Array> {
  return repositoryAt(host, { credentials: USER }).blob({ ...blob, urls }, { offset, signal: never });
}

test("a blob that the registry does not have comes from its own URLs, without credentials and by redirects", async () => {
  const registry = await serve(empty);
  const gone = await serve((_request, response) => answer(response, 410));
  const maker = await serve(({ path, headers }, response) => {
    if (path === "/moved") answer(response, 302, { Location: `${gone.origin}/x` });
    else if (path === "/layer") answer(response, 307, { Location: "/really" });
    else if (headers.range === "bytes=400-")
      answer(response, 206, { "Content-Range": "bytes 400-999/1000" }, bytes.subarray(400));
    else answer(response, 200, {}, bytes);
  });
  const urls = [`${maker.origin}/moved`, `${maker.origin}/layer`];
  expect(await collect(pullBlob(registry.host, urls))).toEqual(bytes);
  expect((await collect(pullBlob(registry.host, urls, 400))).length).toBe(600);
  expect(registry.seen.some(({ headers }) => headers.authorization !== undefined)).toBe(true);
  for (const { headers } of [...maker.seen, ...gone.seen]) expect(headers.authorization).toBeUndefined();
});

test("nobody but the registry is asked for what it has, refuses, or cannot tell", async () => {
  const maker = await serve((_request, response) => answer(response, 200, {}, bytes));
  const urls = [`${maker.origin}/layer`];
  const having = await serve((_request, response) => answer(response, 200, {}, bytes));
  expect(await collect(pullBlob(having.host, urls))).toEqual(bytes);
  for (const status of [403, 500]) {
    const refusing = await serve((_request, response) => answer(response, status));
    await failureOf(pullBlob(refusing.host, urls));
  }
  expect(maker.seen).toEqual([]);
});

test("a liar at such a URL is one clean error", async () => {
  const registry = await serve(empty);
  for (const handler of [
    (_request, response) => answer(response, 200, {}, bytes.subarray(1)),
    (_request, response) => {
      response.writeHead(200);
      response.end(Buffer.alloc(2000));
    },
    (_request, response) => answer(response, 200, { "Content-Encoding": "gzip" }, bytes),
  ] satisfies Handler[]) {
    const maker = await serve(handler);
    const error = await failureOf(pullBlob(registry.host, [`${maker.origin}/layer`]));
    expect(error.message).toMatch(/1000 bytes that were announced|1000 were announced|encoding/);
  }
  const missing = await serve((_request, response) => answer(response, 404, {}, "<html>"));
  const error = await failureOf(pullBlob(registry.host, [`${missing.origin}/layer?secret=1`]));
  expect(error.message).toStartWith(`"${missing.origin}/layer": `);
});

test("URLs that are none, that have a user in them or are not https are refused", async () => {
  const registry = await serve(empty);
  for (const url of ["layer", "file:///etc/passwd", "ftp://example.com/x", "https://ann:pw@example.com/x"]) {
    const error = await failureOf(pullBlob(registry.host, [url]));
    expect(error.message, url).toStartWith("refusing a layer's URL");
  }
  const plain = await failureOf(pullBlob(registry.host, ["http://example.com/layer"]));
  expect(plain.message).toBe(`refusing a layer's URL: "http://example.com/layer" is not https`);
});

test("a registry on another machine leads nobody to this one", async () => {
  const here = await serve((_request, response) => answer(response, 200, {}, bytes));
  const proxy = await serve((request, response) => {
    if (request.path.includes("/layer")) answer(response, 200, {}, bytes);
    else answer(response, 404);
  });
  const options = {
    proxies: { http: proxy.origin, https: "", exceptions: "" },
    insecure: ["registry.example"],
  };
  const repository = repositoryAt("registry.example", { registries: client(options) });
  const from = (url: string): AsyncIterable<Uint8Array> =>
    repository.blob({ ...blob, urls: [url] }, { offset: 0, signal: never });
  expect((await rejection(collect(from(`${here.origin}/layer`)))).message).toContain("is not https");
  const secure = `https://127.0.0.1:${new URL(here.origin).port}/layer`;
  expect((await rejection(collect(from(secure)))).message).toContain("an address of this machine");
  expect((await rejection(collect(from("https://169.254.169.254/latest")))).message).toContain(
    "an address of this machine or its link",
  );
  expect(here.seen).toEqual([]);
  expect(await collect(from("http://registry.example/layer"))).toEqual(bytes);
});
