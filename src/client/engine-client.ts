/**
 * Calls of the Engine API. The version prefix is used without asking first; a server that finds it too new says which
 * version it has, and the call is made again with that one.
 */
import type { ByteStream } from "../base/byte-stream.ts";
import { fail } from "../base/errors.ts";
import { type HttpBody, HttpConnection, type HttpResponse } from "./http.ts";
import { ResponseError } from "./response-error.ts";

/** The version of the Engine API that this client speaks. */
export const CLIENT_API_VERSION = "1.51";

const MAX_ERROR_BYTES = 1024 * 1024;
const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024;

export type QueryValue = string | number | boolean | readonly string[] | undefined;

export interface EngineRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "DELETE";
  /** Below the version prefix, already encoded: `/containers/${encodeURIComponent(id)}/start`. */
  readonly path: string;
  /** Undefined values are left out; a list repeats the key. */
  readonly query?: Readonly<Record<string, QueryValue>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it comes, chunked. */
  readonly upload?: AsyncIterable<Uint8Array>;
  readonly headers?: ReadonlyMap<string, string>;
  /** Breaks the connection off while the answer is awaited or read. */
  readonly signal?: AbortSignal;
}

export interface EngineClientOptions {
  /** Opens a connection, whatever it takes. */
  readonly connect: () => Promise<ByteStream>;
  /** Opens a connection if that is possible at once, for prepare(). */
  readonly connectEarly: () => Promise<ByteStream>;
  /** For the Host header. */
  readonly host: string;
  /** A version that the user insists on; then there is no falling back. */
  readonly version?: string;
  /** Sent with every request, from the client's configuration. */
  readonly headers?: ReadonlyMap<string, string>;
}

/** A connection that has become a raw stream in both directions. */
export interface Hijacked {
  readonly stream: ByteStream;
  /** True when the output is framed per stream (no terminal). */
  readonly multiplexed: boolean;
}

export class EngineClient {
  readonly #options: EngineClientOptions;
  readonly #idle: HttpConnection[] = [];
  readonly #opening: Promise<ByteStream>[] = [];
  readonly #streams = new Set<ByteStream>();
  #isClosed = false;
  #version: string;
  #versionKnown = false;

  constructor(options: EngineClientOptions) {
    this.#options = options;
    this.#version = options.version ?? CLIENT_API_VERSION;
  }

  /** The version in use: after a fall-back, that of the server. */
  get version(): string {
    return this.#version;
  }

  /** Opens connections ahead of the calls that will need them; one that cannot be opened yet is opened by its call. */
  prepare(count: number): void {
    for (let i = this.#opening.length; i < count; i++) {
      const opening = this.#options.connectEarly();
      opening.catch(() => {});
      this.#opening.push(opening);
    }
  }

  /** Whether somebody listens there already. The connection that tells it serves the first call. */
  async ready(): Promise<boolean> {
    const stream = await (this.#opening.shift() ?? this.#options.connectEarly()).catch(() => undefined);
    if (stream !== undefined) this.#idle.push(this.#use(stream));
    return stream !== undefined;
  }

  /** Closes all connections, those that streams were made of, too: what is under way fails. No more calls can be made. */
  close(): void {
    this.#isClosed = true;
    for (const opening of this.#opening.splice(0)) opening.then((stream) => stream.close()).catch(() => {});
    for (const stream of this.#streams) stream.close();
    this.#streams.clear();
  }

  async #connection(): Promise<HttpConnection> {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    const early = await this.#opening.shift()?.catch(() => undefined);
    return this.#use(early ?? (await this.#options.connect()));
  }

  #use(stream: ByteStream): HttpConnection {
    if (this.#isClosed) {
      stream.close();
      throw fail("unavailable", "the connection to the engine was given up");
    }
    this.#streams.add(stream);
    return new HttpConnection(stream, this.#options.host);
  }

  /** Makes a call and reads the head of its answer. Throws ResponseError for any status from 400 on. */
  async call(request: EngineRequest): Promise<HttpResponse> {
    // A body cannot be sent twice, and the answer to a HEAD cannot say that another version is wanted.
    const isOnce = request.upload !== undefined || request.method === "HEAD";
    if (isOnce && !this.#versionKnown) await this.drain(await this.call({ method: "GET", path: "/_ping" }));
    const { response } = await this.#send(request, new Map());
    return response;
  }

  /** Makes a call that has no answer worth reading. */
  async run(request: EngineRequest): Promise<HttpResponse> {
    const response = await this.call(request);
    await this.drain(response);
    return response;
  }

  /** Makes a call and returns its whole answer as text, at most 64 MiB. */
  async text(request: EngineRequest): Promise<string> {
    const response = await this.call(request);
    return (await readAll(response.body, MAX_DOCUMENT_BYTES)).toString();
  }

  /** Makes a call and returns its answer, parsed. */
  async json(request: EngineRequest): Promise<unknown> {
    const text = await this.text(request);
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw fail("internal", `the engine's answer to ${request.method} ${request.path} is not JSON`, cause);
    }
  }

  /** Makes a call that turns its connection into a raw stream, which the caller then owns. */
  async hijack(request: EngineRequest): Promise<Hijacked> {
    const upgrade = new Map([
      ["Connection", "Upgrade"],
      ["Upgrade", "tcp"],
    ]);
    const { connection, response } = await this.#send(request, upgrade);
    if (response.status !== 101 && response.status !== 200)
      throw fail("internal", `unable to upgrade to tcp, received ${response.status}`);
    const type = response.headers.get("content-type") ?? "";
    return { stream: connection.detach(), multiplexed: type.includes("multiplexed-stream") };
  }

  /** Reads an answer to its end, so that its connection can serve again. */
  async drain(response: HttpResponse): Promise<void> {
    while ((await response.body.read()) !== undefined) continue;
  }

  async #send(
    request: EngineRequest,
    extra: ReadonlyMap<string, string>,
  ): Promise<{ connection: HttpConnection; response: HttpResponse }> {
    for (;;) {
      const connection = await this.#connection();
      const headers = new Map([
        ["User-Agent", "Gantry-Client/0.1.0 (linux)"],
        ...(this.#options.headers ?? []),
      ]);
      for (const [name, value] of request.headers ?? []) headers.set(name, value);
      for (const [name, value] of extra) headers.set(name, value);
      let body: Uint8Array | AsyncIterable<Uint8Array> | undefined = request.upload;
      if (request.json !== undefined) {
        body = Buffer.from(JSON.stringify(request.json));
        headers.set("Content-Type", "application/json");
      }
      const version = this.#version;
      const target = `/v${version}${request.path}${queryString(request.query)}`;
      const breakOff = (): void => connection.close();
      request.signal?.addEventListener("abort", breakOff);
      const letGo = (): void => request.signal?.removeEventListener("abort", breakOff);
      const response = await connection.exchange({ method: request.method, target, headers, body });
      if (response.status < 400) {
        this.#versionKnown = true;
        return { connection, response: this.#keepAfter(connection, response, letGo) };
      }
      letGo();
      const message = await this.#errorMessage(request, response);
      if (connection.reusable) this.#idle.push(connection);
      else connection.close();
      if (this.#fallBack(response.status, message, version)) continue;
      throw new ResponseError(response.status, message);
    }
  }

  /** Returns the connection to the idle ones when the body has been read. */
  #keepAfter(connection: HttpConnection, response: HttpResponse, letGo: () => void): HttpResponse {
    if (response.status === 101) return response;
    if (connection.reusable) {
      letGo();
      this.#idle.push(connection);
      return response;
    }
    let ended = false;
    const read = async (): Promise<Buffer | undefined> => {
      if (ended) return undefined;
      const chunk = await response.body.read();
      if (chunk === undefined) {
        ended = true;
        letGo();
        if (connection.reusable) this.#idle.push(connection);
        else connection.close();
      }
      return chunk;
    };
    return { ...response, body: { read } };
  }

  async #errorMessage(request: EngineRequest, response: HttpResponse): Promise<string> {
    const bytes = await readAll(response.body, MAX_ERROR_BYTES);
    const text = bytes.toString();
    if (text.trim() === "") return `request returned status ${response.status} for ${request.path}`;
    if (response.headers.get("content-type")?.startsWith("application/json") === true) {
      try {
        const parsed: unknown = JSON.parse(text);
        if (typeof parsed === "object" && parsed !== null && "message" in parsed)
          if (typeof parsed.message === "string" && parsed.message !== "") return parsed.message.trim();
      } catch {
        return `invalid error message for status ${response.status} of ${request.method} ${request.path}`;
      }
    }
    return text.trim();
  }

  /** True when the call is worth repeating with the version that the server has. `used` is the one it refused. */
  #fallBack(status: number, message: string, used: string): boolean {
    if (status !== 400 || this.#options.version !== undefined) return false;
    const supported = /client version \S+ is too new\. Maximum supported API version is (\d+\.\d+)/.exec(
      message,
    )?.[1];
    if (supported === undefined || supported === used) return false;
    this.#version = supported;
    return true;
  }
}

/** Collects a body; fails beyond the cap. */
export async function readAll(body: HttpBody, capBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for (let chunk = await body.read(); chunk !== undefined; chunk = await body.read()) {
    bytes += chunk.length;
    if (bytes > capBytes) throw fail("internal", `the engine's answer is longer than ${capBytes} bytes`);
    chunks.push(chunk);
  }
  const [only] = chunks;
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
}

function queryString(query: Readonly<Record<string, QueryValue>> | undefined): string {
  const pairs: string[] = [];
  for (const [key, value] of Object.entries(query ?? {})) {
    if (value === undefined) continue;
    const values = typeof value === "object" ? value : [String(value)];
    for (const one of values) pairs.push(`${key}=${encodeURIComponent(one)}`);
  }
  return pairs.length === 0 ? "" : `?${pairs.join("&")}`;
}
