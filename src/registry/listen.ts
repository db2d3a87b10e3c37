/**
 * Sockets. Requests are served by `node:http`; with TLS a listener in front counts connections by address, decrypts, and pipes
 * into an HTTP server on a unix socket, writing into each connection's first request whom it belongs to. Without TLS nothing
 * is in front: it would cost half the throughput, and who listens beyond the loopback has TLS or a proxy that counts.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { connect, type Server as NetServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";
import { fail, messageOf } from "../base/errors.ts";
import { timerMs } from "../base/timer-limit.ts";
import { HEAD_TIMEOUT_MS, KEEP_ALIVE_MS, MAX_HEAD_BYTES } from "./limits.ts";
import type { Peer, Registry } from "./registry.ts";

export interface Endpoint {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface Listener {
  readonly port: number;
  /** Takes no more connections, waits for the requests under way at most `graceMs`, and breaks off the rest. */
  close(graceMs: number): Promise<void>;
}

export interface TlsListener extends Listener {
  /** Connections from now on see this certificate. */
  renew(certificate: Certificate): void;
}

/** A connection that we have ended, and its client has not. */
const LINGER_MS = 30_000;
const MAX_CONNECTIONS = 4096;
const MAX_PER_ADDRESS = 512;

export async function listenPlain(registry: Registry, endpoint: Endpoint): Promise<Listener> {
  const server = httpServer(registry, ({ socket }) => ({
    address: socket.remoteAddress ?? "",
    isSecure: false,
  }));
  server.maxConnections = MAX_CONNECTIONS;
  const port = await listening(server, endpoint);
  return { port, close: (graceMs) => closeServer(server, graceMs) };
}

export async function listenTls(
  registry: Registry,
  endpoint: Endpoint,
  certificate: Certificate,
  maxPerAddress = MAX_PER_ADDRESS,
): Promise<TlsListener> {
  const directory = mkdtempSync(join(tmpdir(), "gantry-registry-"));
  const path = join(directory, "http");
  const mark = new PeerMark();
  const inner = httpServer(registry, (request) => ({ address: mark.addressOf(request), isSecure: true }));
  const front = createTlsServer(tlsOptions(certificate), (socket) => forward(socket, path, mark));
  limitConnections(front, maxPerAddress);
  await listening(inner, path);
  const port = await listening(front, endpoint);
  return {
    port,
    renew: (renewed) => front.setSecureContext(tlsOptions(renewed)),
    close: async (graceMs) => {
      front.close();
      await closeServer(inner, graceMs);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function tlsOptions(certificate: Certificate): TlsOptions {
  return {
    ...certificate,
    minVersion: "TLSv1.2",
    ALPNProtocols: ["http/1.1"],
    handshakeTimeout: HEAD_TIMEOUT_MS,
    allowHalfOpen: true,
  };
}

function httpServer(registry: Registry, peerOf: (request: IncomingMessage) => Peer): Server {
  const server = createServer(
    {
      maxHeaderSize: MAX_HEAD_BYTES,
      // Bodies have a pace of their own.
      requestTimeout: 0,
      headersTimeout: HEAD_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
    },
    (request, response) => {
      void registry.handle(request, response, peerOf(request));
    },
  );
  server.on("clientError", (_error: Error, socket: Duplex) => {
    if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    else socket.destroy();
  });
  return server;
}

function limitConnections(server: NetServer, maxPerAddress: number): void {
  server.maxConnections = MAX_CONNECTIONS;
  const counts = new Map<string, number>();
  server.on("connection", (socket: Socket) => {
    const address = socket.remoteAddress;
    if (address === undefined) return;
    const count = (counts.get(address) ?? 0) + 1;
    if (count > maxPerAddress) {
      socket.destroy();
      return;
    }
    counts.set(address, count);
    socket.once("close", () => {
      const left = (counts.get(address) ?? 1) - 1;
      if (left > 0) counts.set(address, left);
      else counts.delete(address);
    });
  });
}

/** On an address or a path; answers the port. */
export async function listening(server: NetServer, at: Endpoint | string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  if (typeof at === "string") server.listen(at, resolve);
  else server.listen(at.port, at.host, resolve);
  try {
    await promise;
  } catch (cause) {
    const name = typeof at === "string" ? at : `${at.host}:${at.port}`;
    throw fail("unavailable", `cannot listen on "${name}": ${messageOf(cause)}`, cause);
  }
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

export async function closeServer(server: Server, graceMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), timerMs(graceMs));
  await promise;
  clearTimeout(timer);
}

function forward(outer: Socket, path: string, mark: PeerMark): void {
  const inner = connect({ path, allowHalfOpen: true });
  const end = (): void => {
    outer.destroy();
    inner.destroy();
  };
  outer.on("error", end);
  inner.on("error", end);
  outer.once("close", () => inner.destroy());
  inner.once("close", () => {
    // What was answered last may still be on its way to a slow reader.
    if (outer.writableEnded) outer.setTimeout(LINGER_MS, end);
    else outer.destroy();
  });
  inner.pipe(outer);
  mark.into(outer, inner);
}

/**
 * Who a connection belongs to, told to the server behind in a header of its first request. Nobody else can tell
 * such a thing: the header begins with a secret of this process.
 */
class PeerMark {
  readonly #secret = randomBytes(16).toString("hex");
  readonly #addresses = new WeakMap<object, string>();

  /** Passes everything on, with one line more after the first. */
  into(outer: Socket, inner: Socket): void {
    const timer = setTimeout(() => outer.destroy(), HEAD_TIMEOUT_MS);
    outer.once("close", () => clearTimeout(timer));
    let head = Buffer.alloc(0);
    const onData = (chunk: Buffer | string): void => {
      head = Buffer.concat([head, typeof chunk === "string" ? Buffer.from(chunk) : chunk]);
      const end = head.indexOf("\r\n");
      if (end < 0 && head.length <= MAX_HEAD_BYTES) return;
      clearTimeout(timer);
      outer.off("data", onData);
      outer.off("end", onEnd);
      outer.pause();
      const line = `X-Gantry-Peer: ${this.#secret} ${outer.remoteAddress ?? ""}\r\n`;
      if (end < 0) inner.write(head);
      else inner.write(Buffer.concat([head.subarray(0, end + 2), Buffer.from(line), head.subarray(end + 2)]));
      outer.pipe(inner);
    };
    // Half a connection without a request is none.
    const onEnd = (): void => void outer.destroy();
    outer.on("end", onEnd);
    outer.on("data", onData);
  }

  addressOf(request: IncomingMessage): string {
    const known = this.#addresses.get(request.socket);
    if (known !== undefined) return known;
    const value = request.headers["x-gantry-peer"];
    const text = Array.isArray(value) ? value[0] : value;
    const [secret, address] = (text ?? "").split(/[ ,]/, 2);
    if (secret !== this.#secret || address === undefined) return "";
    this.#addresses.set(request.socket, address);
    return address;
  }
}
