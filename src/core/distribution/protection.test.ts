/** TLS, certificates kept for a registry, plain HTTP where it is allowed, and proxies. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rejection } from "../../base/testing/rejection.ts";
import { type Authority, makeAuthority } from "./testing/certificates.ts";
import { client, manifestBytes, MANIFEST_TYPE, never, repositoryAt } from "./testing/client.ts";
import { MemoryRegistry } from "./testing/memory-registry.ts";
import { type Scripted, scripted, type ServerCertificate } from "./testing/scripted-registry.ts";
import type { RegistryOptions } from "./registry-options.ts";

let authority: Authority & Disposable;
let stranger: Authority & Disposable;
let certsDir: string;
const open: AsyncDisposable[] = [];

beforeAll(() => {
  authority = makeAuthority();
  stranger = makeAuthority();
});
afterAll(() => {
  authority[Symbol.dispose]();
  stranger[Symbol.dispose]();
});
beforeEach(() => {
  certsDir = mkdtempSync(join(tmpdir(), "gantry-certs-"));
});
afterEach(async () => {
  for (const one of open.splice(0)) await one[Symbol.asyncDispose]();
  rmSync(certsDir, { recursive: true });
});

async function serve(tls?: ServerCertificate): Promise<Scripted> {
  const registry = new MemoryRegistry();
  registry.addManifest("team/app", "v1", MANIFEST_TYPE, manifestBytes());
  const server = await scripted(registry.handle, tls);
  open.push(server);
  return server;
}

/** Names that no rule makes insecure: the address is hidden behind a proxy that leads everything to the server. */
async function leadingTo(
  server: Scripted,
): Promise<{ readonly options: Partial<RegistryOptions>; readonly connects: string[] }> {
  const connects: string[] = [];
  const port = Number(server.host.split(":")[1]);
  const proxy = http.createServer((_request, response) => response.writeHead(400).end());
  proxy.on("connect", (request, socket) => {
    connects.push(`${request.url} ${request.headers["proxy-authorization"] ?? "nobody"}`);
    const target = net.connect(port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      socket.pipe(target);
      target.pipe(socket);
    });
    target.on("error", () => socket.destroy());
    socket.on("error", () => target.destroy());
  });
  await new Promise<void>((resolve) => {
    proxy.listen(0, "127.0.0.1", resolve);
  });
  open.push({
    [Symbol.asyncDispose]: async () => {
      proxy.closeAllConnections();
      proxy.close();
    },
  });
  const address = proxy.address();
  const text = `http://user:pw@127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  const options = {
    certificateDirectories: [certsDir],
    proxies: { http: text, https: text, exceptions: "" },
  };
  return { options, connects };
}

function keep(host: string, name: string, text: string): void {
  mkdirSync(join(certsDir, host), { recursive: true });
  writeFileSync(join(certsDir, host, name), text);
}

async function pull(host: string, options: Partial<RegistryOptions>): Promise<string> {
  const repository = repositoryAt(host, { registries: client({ maxAttempts: 1, ...options }) });
  return (await repository.manifest({ tag: "v1" }, never)).descriptor.digest;
}

const DNS = "DNS:registry.example";

test("a registry of a strange authority is refused, until its certificate is kept for the host", async () => {
  const server = await serve(authority.issue(DNS));
  const { options, connects } = await leadingTo(server);
  const error = await rejection(pull("registry.example", options));
  expect(error).toMatchObject({
    category: "unavailable",
    message:
      'Get "https://registry.example/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority',
  });
  keep("registry.example", "ca.crt", authority.cert);
  expect(await pull("registry.example", options)).toStartWith("sha256:");
  expect(new Set(connects)).toEqual(
    new Set([`registry.example:443 Basic ${Buffer.from("user:pw").toString("base64")}`]),
  );
});

test("the port is part of the host that a certificate is kept for", async () => {
  const server = await serve(authority.issue(DNS));
  const { options } = await leadingTo(server);
  keep("registry.example", "ca.crt", authority.cert);
  expect((await rejection(pull("registry.example:5000", options))).message).toContain("unknown authority");
  keep("registry.example:5000", "ca.crt", authority.cert);
  await pull("registry.example:5000", options);
});

test("names and dates of a certificate count", async () => {
  keep("registry.example", "ca.crt", authority.cert);
  const wrong = await leadingTo(await serve(authority.issue("DNS:other.example")));
  expect((await rejection(pull("registry.example", wrong.options))).message).toContain(
    "x509: certificate is not valid for registry.example",
  );
  const expired = await leadingTo(await serve(authority.issue(DNS, -1)));
  expect((await rejection(pull("registry.example", expired.options))).message).toContain(
    "x509: certificate has expired or is not yet valid",
  );
});

test("a certificate of ours is shown to the host it is kept for", async () => {
  const server = await serve({ ...authority.issue(DNS), clientAuthority: authority.cert });
  const { options } = await leadingTo(server);
  keep("registry.example", "ca.crt", authority.cert);
  await rejection(pull("registry.example", options));
  const { cert, key } = authority.issue("DNS:client");
  keep("registry.example", "client.cert", cert);
  expect((await rejection(pull("registry.example", options))).message).toBe(
    "missing key client.key for client certificate client.cert. CA certificates must use the extension .crt",
  );
  keep("registry.example", "client.key", key);
  await pull("registry.example", options);
  rmSync(join(certsDir, "registry.example", "client.cert"));
  expect((await rejection(pull("registry.example", options))).message).toBe(
    "missing client certificate client.cert for key client.key",
  );
});

test("an insecure registry may have any certificate, or none", async () => {
  const unknown = await leadingTo(await serve(stranger.issue("DNS:other.example")));
  await pull("registry.example", { ...unknown.options, insecure: ["registry.example"] });
  await pull((await serve(stranger.issue("DNS:other.example"))).host, {});
  await pull((await serve()).host, {});
});

test("a registry that speaks plain HTTP is not taken for one that need not", async () => {
  const server = await serve();
  const { options } = await leadingTo(server);
  expect((await rejection(pull("registry.example", options))).message).toBe(
    'Get "https://registry.example/v2/": http: server gave HTTP response to HTTPS client',
  );
  expect(server.seen.length).toBe(0);
});

test("an insecure registry that learns TLS is found again", async () => {
  const plain = await serve();
  const secure = await serve(stranger.issue(DNS));
  let hasTls = false;
  const front = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (first) => {
      const isTls = first[0] === 0x16;
      if (isTls && !hasTls) socket.destroy();
      else if (!isTls && hasTls)
        socket.end("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      else {
        const target = net.connect(Number((isTls ? secure : plain).host.split(":")[1]), "127.0.0.1");
        target.on("error", () => socket.destroy());
        target.write(first);
        socket.pipe(target);
        target.pipe(socket);
      }
    });
  });
  await new Promise<void>((resolve) => {
    front.listen(0, "127.0.0.1", resolve);
  });
  open.push({ [Symbol.asyncDispose]: async () => void front.close() });
  const address = front.address();
  const host = `127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  const registries = client({ maxAttempts: 1 });
  const pullAgain = () => repositoryAt(host, { registries }).manifest({ tag: "v1" }, never);
  await pullAgain();
  expect([plain.seen.length, secure.seen.length]).toEqual([1, 0]);
  hasTls = true;
  registries.close();
  await pullAgain();
  await pullAgain();
  expect([plain.seen.length, secure.seen.length]).toEqual([1, 2]);
});

test("plain HTTP through a proxy asks it for whole URLs", async () => {
  const seen: string[] = [];
  const proxy = await scripted((request, response) => {
    seen.push(request.path, request.headers["proxy-authorization"] ?? "");
    response.writeHead(200, { "Content-Type": MANIFEST_TYPE }).end(manifestBytes());
  });
  open.push(proxy);
  await pull("registry.example:5000", {
    insecure: ["registry.example:5000"],
    proxies: { http: `http://u:p@${proxy.host}`, https: proxy.origin, exceptions: "" },
  });
  expect(seen.slice(-2)).toEqual([
    "http://registry.example:5000/v2/team/app/manifests/v1",
    `Basic ${Buffer.from("u:p").toString("base64")}`,
  ]);
});

test("a proxy that refuses is told without its password", async () => {
  const proxy = await scripted((_request, response) => void response.writeHead(400).end());
  open.push(proxy);
  const options = { proxies: { http: "", https: `http://user:topsecret@${proxy.host}`, exceptions: "" } };
  const error = await rejection(pull("registry.example", options));
  expect(error).toMatchObject({ category: "unavailable" });
  expect(`${error.message}${error.stack}`).not.toContain("topsecret");
});

test("a host that is no name of a directory reads nothing", async () => {
  keep("x", "ca.crt", "not even a certificate");
  const { readHostCertificates } = await import("./certificates.ts");
  for (const host of ["../x", ".", "..", "", "x/../x", "-x", "x\u0000"])
    expect(await readHostCertificates([certsDir], host)).toEqual({ authorities: [], pairs: [] });
});
