import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, get, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf } from "../../base/errors.ts";
import { NO_LOG } from "../../base/log.ts";
import { asString, Fields, parseJson } from "../../specs/engine/fields.decode.ts";
import type { Peer } from "../doors/peer.ts";
import type { Route } from "../router.ts";
import { createApi } from "../server.ts";
import { ApiHost } from "../testing/api-host.ts";
import { AuthorizationGate } from "./gate.ts";
import { parseSpec } from "./plugin.ts";

interface Seen {
  readonly phase: string;
  readonly uri: string;
  readonly body: string;
  readonly answer: string;
  readonly fields: Fields;
}

/** A plugin that allows everything, until it is told otherwise. */
class TestPlugin {
  readonly seen: Seen[] = [];
  verdict: (seen: Seen) => object = () => ({ Allow: true });
  implements: readonly string[] = ["authz"];
  #server: Server | undefined;

  async listen(path: string): Promise<void> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const answer = this.#answer(request.url ?? "", Buffer.concat(chunks).toString());
        response.end(JSON.stringify(answer));
      });
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    server.listen(path, resolve);
    await promise;
    this.#server = server;
  }

  #answer(url: string, text: string): object {
    if (url === "/Plugin.Activate") return { Implements: this.implements };
    const fields = new Fields(parseJson(text), "");
    const decoded = (key: string): string => Buffer.from(fields.str(key), "base64").toString();
    const one: Seen = {
      phase: url.slice("/AuthZPlugin.AuthZ".length),
      uri: fields.str("RequestUri"),
      body: decoded("RequestBody"),
      answer: decoded("ResponseBody"),
      fields,
    };
    this.seen.push(one);
    return this.verdict(one);
  }

  close(): void {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }
}

let directory: string;
let host: ApiHost;
let plugin: TestPlugin;
let gate: AuthorizationGate;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "gantry-authz-"));
  plugin = new TestPlugin();
  await plugin.listen(join(directory, "guard.sock"));
  gate = new AuthorizationGate({ sockets: directory, specs: [join(directory, "specs")] });
  host = await ApiHost.start({ gate });
  await gate.choose(["guard"]);
});
afterEach(async () => {
  plugin.close();
  await host[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

test("a plugin sees the request before it is carried out, and its answer", async () => {
  const answer = await host.call("GET", "/v1.51/version", undefined, {
    "X-Registry-Auth": "secret",
    "X-Own": "a",
  });
  expect(answer.status).toBe(200);
  expect(plugin.seen.map(({ phase, uri }) => [phase, uri])).toEqual([
    ["Req", "/v1.51/version"],
    ["Res", "/v1.51/version"],
  ]);
  expect(plugin.seen[1]?.answer).toBe(answer.text);
  expect(plugin.seen[1]?.fields.int("ResponseStatusCode")).toBe(200);
  const headers = plugin.seen[0]?.fields.map("RequestHeaders", asString);
  expect([headers?.["X-Own"], headers?.["X-Registry-Auth"]]).toEqual(["a", undefined]);
});

test("a plugin is told who asks, where the door knows", async () => {
  const route: Route = { method: "GET", pattern: "/ask", handler: ({ reply }) => reply.text(200, "yes") };
  const api = { version: "1", ready: Promise.resolve(), log: NO_LOG, routes: [route], gate };
  const ask = async (peer: Peer | undefined): Promise<Fields | undefined> => {
    const server = createApi(api)("anybody", peer);
    const socketPath = join(directory, "api.sock");
    await new Promise<void>((resolve) => server.listen(socketPath, resolve));
    await new Promise((resolve) => {
      get({ socketPath, path: "/ask", agent: false }, (response) => response.resume().on("end", resolve));
    });
    server.close();
    server.closeAllConnections();
    return plugin.seen.at(-1)?.fields;
  };
  const known = await ask({ user: "alice", certificates: ["PEM"] });
  expect([known?.str("User"), known?.str("UserAuthNMethod")]).toEqual(["alice", "TLS"]);
  expect(known?.list("RequestPeerCertificates", asString)).toEqual([Buffer.from("PEM").toString("base64")]);
  const nobody = await ask(undefined);
  for (const key of ["User", "UserAuthNMethod", "RequestPeerCertificates"])
    expect(nobody?.has(key)).toBe(false);
});

test("what a plugin forbids is not done", async () => {
  plugin.verdict = ({ uri }) =>
    uri.includes("/containers/create") ? { Allow: false, Msg: "not you" } : { Allow: true };
  const body = { Image: "busybox" };
  for (const path of ["/containers/create?name=web", "/v1.51/%63ontainers/create", "/containers/%63reate"]) {
    const answer = await host.call("POST", path, body);
    expect([answer.status, answer.json]).toEqual([
      403,
      { message: "authorization denied by plugin guard: not you" },
    ]);
  }
  expect([...host.store.all()]).toEqual([]);
});

test("an answer that a plugin forbids is not given", async () => {
  plugin.verdict = ({ phase }) => (phase === "Res" ? { Allow: false, Msg: "secret" } : { Allow: true });
  const answer = await host.call("GET", "/info");
  expect([answer.status, answer.json]).toEqual([
    403,
    { message: "authorization denied by plugin guard: secret" },
  ]);
});

test("the body that is shown is the one that counts, whatever its spelling", async () => {
  const text =
    '{"iMAGE":"busybox","hostconfig":{"PRIVILEGED":true,"Networkmode":"none"},"Labels":{"iMAGE":"x"}}';
  const answer = await host.call("POST", "/containers/create?name=web", text);
  expect(answer.status).toBe(201);
  expect(plugin.seen[0]?.body).toBe(
    '{"Image":"busybox","HostConfig":{"Privileged":true,"NetworkMode":"none"},"Labels":{"iMAGE":"x"}}',
  );
  expect(host.store.find("web").host.Privileged).toBe(true);
});

test("a request with a length of nothing carries out nothing that was not shown", async () => {
  const connection = host.upgrade("POST", "/containers/create", "");
  await connection.saw("HTTP/1.1 400");
  expect(plugin.seen[0]?.body).toBe("");
});

test("a body with a key twice in two spellings is refused before anybody is asked", async () => {
  const answer = await host.call("POST", "/containers/create", '{"Image":"busybox","image":"other"}');
  expect(answer.status).toBe(400);
  expect(answer.text).toContain('field \\"Image\\" is there more than once');
  expect(plugin.seen).toEqual([]);
});

test("a body that is too large to be shown is refused", async () => {
  const body = { Image: "busybox", Labels: { a: "x".repeat(1 << 20) } };
  const answer = await host.call("POST", "/containers/create", body);
  expect([answer.status, plugin.seen.length]).toEqual([400, 0]);
  expect(answer.text).toContain("larger than 1048576 bytes");
});

test("credentials are not shown", async () => {
  await host.call("POST", "/auth", { username: "ann", password: "secret" });
  expect(plugin.seen.length).toBeGreaterThan(0);
  for (const { body, answer } of plugin.seen) expect([body, answer]).toEqual(["", ""]);
});

test("archives are not shown, and arrive whole", async () => {
  const answer = await host.call("POST", "/images/load", "name:loaded", {
    "Content-Type": "application/json",
  });
  expect(answer.status).toBe(200);
  expect(plugin.seen[0]?.body).toBe("");
});

test("a plugin that fails, or is gone, refuses", async () => {
  plugin.verdict = () => ({ Allow: true, Err: "broken" });
  expect((await host.call("GET", "/info")).json).toEqual({
    message: "plugin guard failed with error: broken",
  });
  plugin.close();
  rmSync(join(directory, "guard.sock"), { force: true });
  const gone = await host.call("GET", "/info");
  expect([gone.status, gone.json]).toEqual([
    500,
    { message: 'plugin guard failed with error: plugin "guard" not found' },
  ]);
  plugin = new TestPlugin();
  await plugin.listen(join(directory, "guard.sock"));
  expect((await host.call("GET", "/info")).status).toBe(200);
});

test("every plugin is asked, until one says no", async () => {
  const second = new TestPlugin();
  mkdirSync(join(directory, "second"));
  await second.listen(join(directory, "second", "second.sock"));
  try {
    await gate.choose(["guard", "second"]);
    second.verdict = () => ({ Allow: false, Msg: "no" });
    expect((await host.call("GET", "/info")).text).toContain("denied by plugin second: no");
    expect([plugin.seen.length, second.seen.length]).toEqual([1, 1]);
    plugin.verdict = second.verdict;
    expect((await host.call("GET", "/info")).text).toContain("denied by plugin guard: no");
    expect(second.seen.length).toBe(1);
  } finally {
    second.close();
  }
});

test("a choice of plugins that are not there changes nothing", async () => {
  expect(await gate.choose(["guard", "nobody"]).then(String, messageOf)).toBe('plugin "nobody" not found');
  plugin.implements = ["volume"];
  expect(await gate.choose(["guard"]).then(String, messageOf)).toContain('does not implement "authz"');
  expect(gate.names).toEqual(["guard"]);
  await gate.choose([]);
  expect(gate.isClosed).toBe(false);
});

test("a plugin is found by its specification", async () => {
  mkdirSync(join(directory, "specs"));
  writeFileSync(join(directory, "specs", "other.spec"), `unix://${join(directory, "guard.sock")}\n`);
  await gate.choose(["other"]);
  expect(gate.names).toEqual(["other"]);
  expect(parseSpec("tcp://127.0.0.1:80")).toEqual({ host: "127.0.0.1", port: 80 });
  expect(() => parseSpec("https://a")).toThrow("cannot be asked");
});
