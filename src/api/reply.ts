/**
 * Answers. `PlainReply` answers through the HTTP server; `UpgradeReply` owns the raw connection of a request that asked
 * for `Upgrade: tcp`, and can either turn it into a byte stream or still answer in plain HTTP.
 */
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { type Duplex, Readable, type Writable } from "node:stream";
import { fail } from "../base/errors.ts";
import { errorBody, statusOf } from "./errors.ts";
import { webSocketStream } from "./streams/web-socket.ts";
import { acceptKey } from "./streams/web-socket-frames.ts";
import { API_VERSION } from "./version.ts";

export type Headers = Readonly<Record<string, string>>;

/** A connection as bytes; `input` and `output` may be the same object. Both close with the connection. */
export interface ByteStream {
  readonly input: Readable;
  readonly output: Writable;
}

export interface Reply {
  readonly signal: AbortSignal;
  /** Whether an answer has begun: errors can then only be told inside the stream, or by breaking it off. */
  readonly begun: boolean;
  /** Whether the client has gone away, so that nobody minds what becomes of its request. */
  readonly isAbandoned: boolean;
  /** Of the answer that has begun; 0 = none has. */
  readonly status: number;
  json(status: number, value: unknown): void;
  /** Text that is JSON already. */
  jsonText(status: number, text: string): void;
  text(status: number, text: string, headers?: Headers): void;
  empty(status: number, headers?: Headers): void;
  /** Sends the head at once; the caller writes and ends the body. */
  stream(status: number, headers: Headers): Writable;
  /** Turns the connection into a byte stream: after `101 UPGRADED` if the client asked for it, else after `200 OK`. */
  hijack(contentType: string): ByteStream;
  /** The same for clients that asked for a WebSocket; `opcode` is that of our messages. Throws `invalid_argument`. */
  webSocket(opcode: number): ByteStream;
  error(error: unknown): void;
}

export type Banner = Readonly<Record<string, string>>;

/** The headers of every answer. Clients read the server's system from the form "Docker/VERSION (SYSTEM)". */
export function bannerOf(version: string): Banner {
  return {
    "Api-Version": API_VERSION,
    "Docker-Experimental": "false",
    Ostype: "linux",
    Server: `Docker/${version} (linux)`,
  };
}

class DisconnectSignal {
  #controller: AbortController | undefined;

  get(onClose: (listener: () => void) => void): AbortSignal {
    if (this.#controller === undefined) {
      const controller = new AbortController();
      this.#controller = controller;
      onClose(() => controller.abort(new Error("the client went away")));
    }
    return this.#controller.signal;
  }
}

export class PlainReply implements Reply {
  readonly #response: ServerResponse;
  readonly #banner: Banner;
  readonly #disconnect = new DisconnectSignal();

  constructor(response: ServerResponse, banner: Banner) {
    this.#response = response;
    this.#banner = banner;
  }

  get signal(): AbortSignal {
    const response = this.#response;
    return this.#disconnect.get((listener) => {
      response.once("close", () => {
        if (!response.writableFinished) listener();
      });
    });
  }

  get begun(): boolean {
    return this.#response.headersSent;
  }

  get isAbandoned(): boolean {
    return this.#response.destroyed && !this.#response.writableFinished;
  }

  get status(): number {
    return this.#response.headersSent ? this.#response.statusCode : 0;
  }

  json(status: number, value: unknown): void {
    this.jsonText(status, `${JSON.stringify(value)}\n`);
  }

  jsonText(status: number, text: string): void {
    this.text(status, text, { "Content-Type": "application/json" });
  }

  text(status: number, text: string, headers: Headers = {}): void {
    const body = Buffer.from(text);
    this.#response.writeHead(status, { ...this.#banner, ...headers, "Content-Length": body.length });
    this.#response.end(body);
  }

  empty(status: number, headers: Headers = {}): void {
    const head: OutgoingHttpHeaders = { ...this.#banner, ...headers };
    if (status !== 204 && status !== 304) head["Content-Length"] ??= "0";
    this.#response.writeHead(status, head);
    this.#response.end();
  }

  stream(status: number, headers: Headers): Writable {
    this.#response.writeHead(status, { ...this.#banner, ...headers });
    this.#response.flushHeaders();
    return this.#response;
  }

  /** Without `Upgrade` the answer is a body that ends with the connection, and what the client sends is the request's body. */
  hijack(contentType: string): ByteStream {
    const response = this.#response;
    response.useChunkedEncodingByDefault = false;
    response.shouldKeepAlive = false;
    const output = this.stream(200, { "Content-Type": contentType, Connection: "close" });
    return { input: response.req.readableEnded ? Readable.from([]) : response.req, output };
  }

  webSocket(): never {
    throw fail("invalid_argument", "the request is no WebSocket handshake");
  }

  error(error: unknown): void {
    if (this.begun) {
      this.#response.destroy();
      return;
    }
    const status = statusOf(error);
    if (status === 304) this.empty(304);
    else this.jsonText(status, errorBody(error));
  }
}

const REASON: Readonly<Record<number, string>> = {
  200: "OK",
  201: "Created",
  204: "No Content",
  304: "Not Modified",
  400: "Bad Request",
  404: "Not Found",
  409: "Conflict",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
};

export class UpgradeReply implements Reply {
  readonly #socket: Duplex;
  readonly #banner: Banner;
  readonly #disconnect = new DisconnectSignal();
  readonly #headers: IncomingHttpHeaders;
  #status = 0;

  /** `head`: bytes of the stream that came with the request. */
  constructor(request: Pick<IncomingMessage, "headers">, socket: Duplex, head: Buffer, banner: Banner) {
    this.#headers = request.headers;
    this.#socket = socket;
    this.#banner = banner;
    if (head.length > 0) socket.unshift(head);
    socket.on("error", () => {
      // a broken connection ends with "close", which everything here listens to
    });
  }

  get signal(): AbortSignal {
    return this.#disconnect.get((listener) => this.#socket.once("close", listener));
  }

  get begun(): boolean {
    return this.#status !== 0;
  }

  get isAbandoned(): boolean {
    return this.#socket.destroyed;
  }

  get status(): number {
    return this.#status;
  }

  json(status: number, value: unknown): void {
    this.jsonText(status, `${JSON.stringify(value)}\n`);
  }

  jsonText(status: number, text: string): void {
    this.text(status, text, { "Content-Type": "application/json" });
  }

  text(status: number, text: string, headers: Headers = {}): void {
    const body = Buffer.from(text);
    this.#head(status, REASON[status] ?? "Status", {
      ...headers,
      Connection: "close",
      "Content-Length": String(body.length),
    });
    this.#socket.end(body);
  }

  empty(status: number, headers: Headers = {}): void {
    this.#head(status, REASON[status] ?? "Status", { ...headers, Connection: "close" });
    this.#socket.end();
  }

  stream(status: number, headers: Headers): Writable {
    this.#head(status, REASON[status] ?? "Status", { ...headers, Connection: "close" });
    return this.#socket;
  }

  hijack(contentType: string): ByteStream {
    this.#head(101, "UPGRADED", { "Content-Type": contentType, Connection: "Upgrade", Upgrade: "tcp" });
    return { input: this.#socket, output: this.#socket };
  }

  webSocket(opcode: number): ByteStream {
    const { upgrade = "", "sec-websocket-key": key = "", "sec-websocket-version": version } = this.#headers;
    if (upgrade.toLowerCase() !== "websocket" || version !== "13")
      throw fail("invalid_argument", "the request is no WebSocket handshake");
    const accept = acceptKey(key);
    this.#head(101, "Switching Protocols", {
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Accept": accept,
    });
    return webSocketStream(this.#socket, opcode);
  }

  error(error: unknown): void {
    if (this.begun) {
      this.#socket.destroy();
      return;
    }
    const status = statusOf(error);
    if (status === 304) this.empty(304);
    else this.jsonText(status, errorBody(error));
  }

  #head(status: number, reason: string, headers: Headers): void {
    this.#status = status;
    let head = `HTTP/1.1 ${status} ${reason}\r\n`;
    for (const [name, value] of Object.entries({ ...this.#banner, ...headers }))
      head += `${name}: ${value}\r\n`;
    this.#socket.write(`${head}Date: ${new Date().toUTCString()}\r\n\r\n`);
  }
}
