import { afterEach, beforeEach, expect, test } from "bun:test";
import { parseVersion } from "./version.ts";
import { get } from "node:http";
import { join } from "node:path";
import { NO_LOG } from "../base/log.ts";
import type { Route } from "./router.ts";
import { createApi, createApiServer } from "./server.ts";
import { ApiHost } from "./testing/api-host.ts";

let host: ApiHost;

beforeEach(async () => {
  host = await ApiHost.start();
});

afterEach(async () => {
  await host[Symbol.asyncDispose]();
});

test("ping answers OK with the headers that clients negotiate by", async () => {
  const answer = await host.call("GET", "/_ping");
  expect(answer.text).toBe("OK");
  expect(answer.headers["api-version"]).toBe("1.51");
  expect(answer.headers["ostype"]).toBe("linux");
  expect(answer.headers["docker-experimental"]).toBe("false");
  expect(answer.headers["server"]).toMatch(/^Docker\/.+ \(linux\)$/);
  expect(answer.headers["swarm"]).toBe("inactive");
  expect(answer.headers["cache-control"]).toBe("no-cache, no-store, must-revalidate");
});

test("HEAD /_ping has the same headers and no body", async () => {
  const answer = await host.call("HEAD", "/_ping");
  expect(answer.status).toBe(200);
  expect(answer.text).toBe("");
  expect(answer.headers["api-version"]).toBe("1.51");
});

test("a version below 1.24 is refused with Docker's words", async () => {
  const answer = await host.call("GET", "/v1.23/version");
  expect(answer.status).toBe(400);
  expect(answer.json).toEqual({
    message:
      "client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version",
  });
});

test("the oldest version that is served can be set higher", () => {
  expect(parseVersion("1.44", 44)).toBe(44);
  expect(() => parseVersion("1.43", 44)).toThrow(
    "client version 1.43 is too old. Minimum supported API version is 1.44, please upgrade",
  );
});

test("a version above 1.51 is refused with Docker's words", async () => {
  const answer = await host.call("GET", "/v1.52/version");
  expect(answer.status).toBe(400);
  expect(answer.json).toEqual({
    message: "client version 1.52 is too new. Maximum supported API version is 1.51",
  });
});

test("the oldest and newest version and none at all are served", async () => {
  for (const path of ["/v1.24/version", "/v1.51/version", "/version"])
    expect((await host.call("GET", path)).status).toBe(200);
});

test("an unknown path, a wrong method and a bad escape are 404 page not found", async () => {
  for (const [method, path] of [
    ["GET", "/v1.51/nope"],
    ["PUT", "/v1.51/containers/json"],
    ["GET", "/v1.51/containers/%zz/json"],
    ["GET", "/v-1/version"],
    ["GET", "/"],
  ] as const) {
    const answer = await host.call(method, path);
    expect([path, answer.status, answer.json]).toEqual([path, 404, { message: "page not found" }]);
  }
});

test("requests wait until the daemon is ready", async () => {
  const { promise: ready, resolve: setReady } = Promise.withResolvers<void>();
  let isReady = false;
  const route: Route = {
    method: "GET",
    pattern: "/ask",
    handler: ({ reply }) => reply.text(200, isReady ? "after" : "before"),
  };
  const server = createApiServer({ version: "1", ready, log: NO_LOG, routes: [route] });
  const socketPath = join(host.directory, "late.sock");
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  const { promise: text, resolve: answer } = Promise.withResolvers<string>();
  get({ socketPath, path: "/ask" }, (response) => response.on("data", (chunk) => answer(String(chunk))));
  await new Promise<void>((resolve) => server.once("request", () => resolve()));
  isReady = true;
  setReady();
  expect(await text).toBe("after");
  server.close();
});

test("a body with the wrong type is refused by its field", async () => {
  const answer = await host.call("POST", "/containers/create", { Image: 5 });
  expect(answer.status).toBe(400);
  expect(answer.json).toEqual({ message: 'invalid JSON: field "Image" must be a string, not a number' });
});

test("an empty, cut-off or foreign body is refused", async () => {
  const json = { "Content-Type": "application/json" };
  expect((await host.call("POST", "/containers/create", undefined, json)).json).toEqual({
    message: "invalid JSON: got EOF while reading request body",
  });
  expect((await host.call("POST", "/containers/create", "{", json)).status).toBe(400);
  expect((await host.call("POST", "/containers/create", "null", json)).json).toEqual({
    message: "config cannot be empty in order to create a container",
  });
  const typed = await host.call("POST", "/containers/create", "{}", { "Content-Type": "text/plain" });
  expect(typed.json).toEqual({
    message: "unsupported Content-Type header (text/plain): must be 'application/json'",
  });
});

test("a body beyond 4 MiB is refused", async () => {
  const answer = await host.call(
    "POST",
    "/containers/create",
    JSON.stringify({ Image: "x".repeat(5 << 20) }),
  );
  expect(answer.status).toBe(400);
  expect(answer.text).toContain("larger than 4194304 bytes");
});

test("a request with Upgrade to an ordinary route is answered in plain HTTP", async () => {
  const connection = host.upgrade("GET", "/v1.51/containers/nope/json");
  await connection.ended();
  expect(connection.text).toStartWith("HTTP/1.1 404 Not Found\r\n");
  expect(connection.text).toEndWith('{"message":"No such container: nope"}\n');
});

test("a server for programs takes no requests of browsers; one for anybody does", async () => {
  const route: Route = { method: "GET", pattern: "/ask", handler: ({ reply }) => reply.text(200, "yes") };
  const makeServer = createApi({ version: "1", ready: Promise.resolve(), log: NO_LOG, routes: [route] });
  const ask = async (callers: "anybody" | "programs", headers: Record<string, string>): Promise<number> => {
    const server = makeServer(callers);
    const socketPath = join(host.directory, `${callers}.sock`);
    await new Promise<void>((resolve) => server.listen(socketPath, resolve));
    const { promise, resolve } = Promise.withResolvers<number>();
    get({ socketPath, path: "/ask", headers, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    const status = await promise;
    server.close();
    server.closeAllConnections();
    return status;
  };
  for (const headers of [
    { Origin: "http://evil.example" },
    { "Sec-Fetch-Site": "same-origin" },
    { "User-Agent": "Mozilla/5.0 (X11; Linux x86_64)" },
  ]) {
    expect(await ask("programs", headers)).toBe(403);
    expect(await ask("anybody", headers)).toBe(200);
  }
  expect(await ask("programs", { "User-Agent": "Docker-Client/26.1.5 (linux)" })).toBe(200);
});
