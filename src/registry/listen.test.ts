import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { request as requestPlain } from "node:http";
import { Agent, request } from "node:https";
import { connect } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { makeAuthority } from "../core/distribution/testing/certificates.ts";
import { until } from "../../test/support/until.ts";
import { sha256Of } from "../specs/oci-image/digest.ts";
import { listenAdmin } from "./admin.ts";
import { tokenGate } from "./auth/gate.ts";
import { type Certificate, type TlsListener, listenTls } from "./listen.ts";
import { RegistryHost } from "./testing/registry-host.ts";

let host: RegistryHost;
let secure: TlsListener;
let certificate: Certificate;
const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });

beforeAll(async () => {
  using authority = makeAuthority();
  certificate = authority.issue("DNS:localhost,IP:127.0.0.1");
  host = await RegistryHost.start({ limits: { maxTransfersPerClient: 1 } });
  secure = await listenTls(host.registry, { host: "127.0.0.1", port: 0 }, certificate, 8);
});
afterAll(async () => {
  agent.destroy();
  await secure.close(0);
  await host.close();
});

interface Got {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly bytes: Buffer;
}

function ask(
  method: string,
  path: string,
  body: Uint8Array | string = "",
  headers = {},
  port = secure.port,
): Promise<Got> {
  const { promise, resolve, reject } = Promise.withResolvers<Got>();
  const call = request(
    {
      agent,
      host: "127.0.0.1",
      port,
      method,
      path,
      rejectUnauthorized: false,
      headers: { "Content-Length": String(Buffer.byteLength(body)), ...headers },
    },
    (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          bytes: Buffer.concat(chunks),
        }),
      );
    },
  );
  call.on("error", reject);
  call.end(body);
  return promise;
}

describe("over TLS", () => {
  test("blobs come and go whole, several requests over one connection", async () => {
    const bytes = Buffer.alloc(20 << 20, 3);
    const digest = sha256Of(bytes);
    expect((await ask("POST", `/v2/a/blobs/uploads/?digest=${digest}`, bytes)).status).toBe(201);
    for (let i = 0; i < 3; i++)
      expect((await ask("GET", `/v2/a/blobs/${digest}`)).bytes.equals(bytes)).toBe(true);
    expect((await ask("HEAD", `/v2/a/blobs/${digest}`)).status).toBe(200);
  });

  test("a client is known by its address, whatever it says, and has its limit", async () => {
    const location = String((await ask("POST", "/v2/a/blobs/uploads/")).headers["location"]);
    const holding = connectTls({ host: "127.0.0.1", port: secure.port, rejectUnauthorized: false });
    holding.on("error", () => {});
    holding.write(
      `PATCH ${location} HTTP/1.1\r\nX-Gantry-Peer: x 9.9.9.9\r\nHost: x\r\nContent-Length: 100\r\n\r\nfirst`,
    );
    while (String((await ask("GET", location)).headers["range"]) !== "0-4") await Bun.sleep(5);
    const other = await ask("POST", `/v2/a/blobs/uploads/?digest=${sha256Of("x")}`, "x");
    expect(other.status).toBe(429);
    const { promise, resolve } = Promise.withResolvers<void>();
    holding.once("close", () => resolve());
    holding.destroy();
    await promise;
  });

  const connectSecurely = (): TLSSocket => {
    const socket = connectTls({ host: "127.0.0.1", port: secure.port, rejectUnauthorized: false });
    socket.on("error", () => {});
    return socket;
  };

  test("one address has so many connections and no more, busy or not, and gets them back", async () => {
    const sockets = Array.from({ length: 20 }, connectSecurely);
    let open = 0;
    for (const socket of sockets) socket.on("secureConnect", () => open++);
    const refused = (): number => sockets.filter(({ destroyed }) => destroyed).length;
    await until("all to be let in or refused", () => open + refused() >= sockets.length);
    // The agent has one, too, and another may still be ending.
    expect(open).toBeLessThanOrEqual(8);
    expect(open).toBeGreaterThan(4);
    for (const socket of sockets) socket.destroy();
    await until("a connection to be free", async () => {
      const again = connectSecurely();
      const { promise, resolve: setAnswer } = Promise.withResolvers<boolean>();
      again.on("data", (chunk: Buffer) => setAnswer(chunk.toString().startsWith("HTTP/1.1 200 ")));
      again.on("close", () => setAnswer(false));
      again.write("GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
      return promise;
    });
  });

  test("a slow reader gets the end of an answer after which the registry closes", async () => {
    const { digest } = await host.pushBlob("slow", Buffer.alloc(3 << 20, 5));
    const socket = connectSecurely();
    let received = 0;
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    socket.on("close", () => resolve());
    socket.write(`GET /v2/slow/blobs/${digest} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    socket.pause();
    await Bun.sleep(300);
    socket.on("data", (chunk: Buffer) => {
      received += chunk.length;
    });
    socket.resume();
    await closed;
    expect(received).toBeGreaterThan(3 << 20);
  });

  test("a renewed certificate is shown from then on", async () => {
    const shown = (): Promise<string> => {
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      const client = connectTls({ host: "127.0.0.1", port: secure.port, rejectUnauthorized: false }, () => {
        resolve(client.getPeerCertificate().fingerprint256);
        client.destroy();
      });
      client.on("error", reject);
      return promise;
    };
    const before = await shown();
    expect(await shown()).toBe(before);
    using authority = makeAuthority();
    secure.renew(authority.issue("DNS:localhost"));
    expect(await shown()).not.toBe(before);
    expect((await ask("GET", "/v2/")).status).toBe(200);
  });

  test("old protocol versions, and no TLS at all, are refused", async () => {
    const old = connectTls({
      host: "127.0.0.1",
      port: secure.port,
      rejectUnauthorized: false,
      minVersion: "TLSv1",
      maxVersion: "TLSv1.1",
    });
    const { promise, resolve } = Promise.withResolvers<string>();
    old.on("error", () => resolve("refused"));
    old.on("secureConnect", () => resolve("accepted"));
    old.on("close", () => resolve("refused"));
    expect(await promise).toBe("refused");
    const plain = connect(secure.port, "127.0.0.1");
    const { promise: closed, resolve: setClosed } = Promise.withResolvers<string>();
    let text = "";
    plain.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
    });
    plain.on("error", () => {});
    plain.on("close", () => setClosed(text));
    plain.write("GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(await closed).not.toContain("200 OK");
    expect((await ask("GET", "/v2/")).status).toBe(200);
  });

  test("tokens are to be got over the same protocol", async () => {
    const key = { privateKey: generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey, service: "S" };
    const passwords = { verify: async () => true };
    const gate = tokenGate({ passwords, rules: [], realm: "R", key, tokenUrl: "", now: Date.now });
    const closed = await RegistryHost.start({ gate });
    const listener = await listenTls(closed.registry, { host: "127.0.0.1", port: 0 }, certificate);
    try {
      const answer = await ask("GET", "/v2/", "", { Host: "registry.example:5000" }, listener.port);
      const challenge = 'Bearer realm="https://registry.example:5000/auth/token",service="S"';
      expect(answer.headers["www-authenticate"]).toBe(challenge);
    } finally {
      await listener.close(0);
      await closed.close();
    }
  });
});

describe("the operator's port", () => {
  const asked = async (port: number, method: string, path: string): Promise<Got> => {
    const { promise, resolve, reject } = Promise.withResolvers<Got>();
    const call = requestPlain({ host: "127.0.0.1", port, method, path, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          bytes: Buffer.concat(chunks),
        }),
      );
    });
    call.on("error", reject);
    call.end();
    return promise;
  };

  test("has metrics, health and garbage collection, and nothing else", async () => {
    const admin = await listenAdmin(host.registry, { host: "127.0.0.1", port: 0 });
    try {
      await host.pushBlob("metrics", "counted");
      const metrics = await asked(admin.port, "GET", "/metrics");
      expect(metrics.headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
      const text = metrics.bytes.toString();
      expect(text).toContain('gantry_registry_requests_total{method="POST",code="201"}');
      expect(text).toMatch(/gantry_registry_received_bytes_total [1-9]/);
      for (const line of text.trimEnd().split("\n"))
        expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|\w+(\{[^}]*\})? -?[\d.e+-]+)$/);
      expect((await asked(admin.port, "GET", "/healthz")).status).toBe(200);
      const collected = await asked(admin.port, "POST", "/gc");
      expect(JSON.parse(collected.bytes.toString())).toEqual({
        uploads: 0,
        manifests: 0,
        links: 0,
        blobs: 0,
        bytes: 0,
      });
      for (const [method, path] of [
        ["GET", "/gc"],
        ["GET", "/v2/"],
        ["POST", "/metrics"],
      ] as const)
        expect((await asked(admin.port, method, path)).status).toBe(404);
    } finally {
      await admin.close(0);
    }
  });
});

test("at the end requests under way are waited for, and new ones refused", async () => {
  const ending = await RegistryHost.start();
  const location = String((await ending.must("POST", "/v2/a/blobs/uploads/")).headers.location);
  const socket = await ending.raw();
  const { promise: closed, resolve } = Promise.withResolvers<string>();
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  socket.on("error", () => {});
  socket.on("close", () => resolve(text));
  socket.write(
    `PATCH ${location} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nConnection: close\r\n\r\n12345`,
  );
  while ((await ending.ask("GET", location)).headers.range !== "0-4") await Bun.sleep(5);
  const stopping = ending.listener.close(5000);
  socket.write("67890");
  await stopping;
  expect(await closed).toContain("HTTP/1.1 202 ");
  await ending.close();
});
