import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { NO_LOG } from "../../base/log.ts";
import { makeAuthority } from "../../core/distribution/testing/certificates.ts";
import { Front, FRONT_LIMITS } from "./front.ts";
import { PeerServers } from "./peer-servers.ts";
import { type OpenDoor, openDoor } from "./listen.ts";

const authority = makeAuthority();
const stranger = makeAuthority();
const client = authority.issue("DNS:client");
const directory = mkdtempSync(join(tmpdir(), "gantry-doors-"));
let server: Server;
let peers: PeerServers;
let front: Front;
let door: OpenDoor;

beforeAll(async () => {
  server = createServer((_request, response) => response.end("let in without a name"));
  const path = join(directory, "s");
  await new Promise<void>((resolve) => server.listen(path, resolve));
  writeFileSync(join(directory, "peer-1.sock"), "of a daemon that was killed");
  let made = 0;
  peers = new PeerServers(({ user, certificates }) => {
    const said = `${user}, ${certificates.length} of ${++made}: let in`;
    return createServer((_request, response) => response.end(said));
  }, directory);
  front = new Front(path, NO_LOG, FRONT_LIMITS, peers);
  const tls = { ...authority.issue("IP:127.0.0.1"), clientAuthorities: authority.cert };
  door = await openDoor(front, { host: "127.0.0.1", port: 0 }, tls);
});

afterAll(() => {
  door.close();
  front.close();
  server.close();
  server.closeAllConnections();
  rmSync(directory, { recursive: true });
  authority[Symbol.dispose]();
  stranger[Symbol.dispose]();
});

/** What comes back, or the error's code. */
function ask(options: object): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = "";
  const socket = connect({ host: "127.0.0.1", port: door.port, ca: authority.cert, ...options }, () =>
    socket.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
  );
  socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
  socket.on("close", () => resolve(text));
  socket.on("error", (error) => resolve("code" in error ? String(error.code) : error.message));
  return promise;
}

test("a certificate of the right authority lets in", async () => {
  expect(await ask(client)).toEndWith("let in");
});

test("each certificate has a server of its own, as long as somebody is there with it", async () => {
  const held = connect({ host: "127.0.0.1", port: door.port, ca: authority.cert, ...client });
  await new Promise((resolve) => held.once("secureConnect", resolve));
  while (peers.size === 0) await new Promise((soon) => setTimeout(soon, 5));
  const [first, again] = [await ask(client), await ask(client)];
  expect(first.split("\r\n").at(-1)).toMatch(/^test, 1 of \d+: let in$/);
  expect(again.split("\r\n").at(-1)).toBe(first.split("\r\n").at(-1));
  const other = await ask(authority.issue("DNS:client"));
  expect(other).toEndWith("let in");
  expect(other.split("\r\n").at(-1)).not.toBe(first.split("\r\n").at(-1));
  held.destroy();
  while (peers.size > 0) await new Promise((soon) => setTimeout(soon, 5));
  expect(readdirSync(directory)).toEqual(["s"]);
});

test("none, a stranger's and an expired one do not, nor does an old version of TLS", async () => {
  expect(await ask({})).not.toContain("let in");
  expect(await ask(stranger.issue("DNS:client"))).not.toContain("let in");
  expect(await ask(authority.issue("DNS:client", -1))).not.toContain("let in");
  expect(await ask({ ...client, maxVersion: "TLSv1.1", minVersion: "TLSv1" })).not.toContain("let in");
});

test("those that failed hold no place", async () => {
  while (front.connections > 0) await new Promise((soon) => setTimeout(soon, 5));
});

test("connections from now on see the certificate that was renewed", async () => {
  door.renew({ ...stranger.issue("IP:127.0.0.1"), clientAuthorities: authority.cert });
  expect(await ask(client)).not.toContain("let in");
  expect(await ask({ ...client, ca: stranger.cert })).toEndWith("let in");
});

test("an address that is taken is named", async () => {
  const again = openDoor(front, { host: "127.0.0.1", port: door.port ?? 0 }, undefined);
  expect(await again.then(String, String)).toContain(`cannot listen on 127.0.0.1:${door.port}`);
});
