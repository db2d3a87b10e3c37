/**
 * HTTP/1.1 as a client of the Engine API needs it, on one ByteStream: one exchange at a time, bodies with a length,
 * chunked or until the end, both ways; a switch to raw bytes (`101`, RFC 9110 section 7.8); keep-alive. The first use of
 * `node:http` costs a compiled program 6 ms, this none.
 */
import type { ByteStream } from "../base/byte-stream.ts";
import { fail } from "../base/errors.ts";

const MAX_HEAD_BYTES = 64 * 1024;
const MAX_CHUNK_LINE_BYTES = 4096;
const END_OF_HEAD = Buffer.from("\r\n\r\n");
/** Below that copying a piece is cheaper than sending it by itself. */
const JOINED_BYTES = 16 * 1024;
const NOTHING = Buffer.alloc(0);

export interface HttpRequest {
  readonly method: string;
  /** Path and query, already encoded. */
  readonly target: string;
  readonly headers: ReadonlyMap<string, string>;
  /** Bytes are sent with a length, a stream is sent chunked. */
  readonly body: Uint8Array | AsyncIterable<Uint8Array> | undefined;
}

export interface HttpResponse {
  readonly status: number;
  /** Names in lower case; of repeated ones the last. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: HttpBody;
}

/** Whatever frames the body: tells how many of the available bytes belong to it. */
type Framing =
  | { readonly kind: "none" }
  | { readonly kind: "length"; left: number }
  | { readonly kind: "chunked"; left: number; first: boolean }
  | { readonly kind: "until-end" };

/** A response body; read it to the end, or drop the connection. */
export interface HttpBody {
  /** The next bytes, undefined at the end. Fails when the connection ends early. */
  read(): Promise<Buffer | undefined>;
}

export class HttpConnection {
  readonly #stream: ByteStream;
  readonly #host: string;
  #unread: Buffer = NOTHING;
  #reusable = true;
  #streaming = false;

  /** Takes over the stream: close() closes it. `host` goes into the Host header. */
  constructor(stream: ByteStream, host: string) {
    this.#stream = stream;
    this.#host = host;
  }

  /** True once the last response was read to its end and both sides keep the connection. */
  get reusable(): boolean {
    return this.#reusable;
  }

  /**
   * Sends a request and resolves with the head of its response. A streamed body goes on being sent while the response
   * is read; it stops when the response is an error.
   */
  async exchange(request: HttpRequest): Promise<HttpResponse> {
    if (!this.#reusable) throw fail("internal", "this connection is in use or finished");
    this.#reusable = false;
    let head = `${request.method} ${request.target} HTTP/1.1\r\nHost: ${this.#host}\r\n`;
    for (const [name, value] of request.headers) head += `${name}: ${value}\r\n`;
    const { body } = request;
    if (body === undefined || body instanceof Uint8Array) {
      const needsLength = body !== undefined || request.method === "POST" || request.method === "PUT";
      if (needsLength) head += `Content-Length: ${body?.length ?? 0}\r\n`;
      const bytes = Buffer.from(`${head}\r\n`);
      const [response] = await Promise.all([
        this.#readResponse(request.method),
        this.#stream.write(body === undefined ? bytes : Buffer.concat([bytes, body])).catch(ignoreBrokenPipe),
      ]);
      return response;
    }
    return this.#exchangeStreaming(`${head}Transfer-Encoding: chunked\r\n\r\n`, request.method, body);
  }

  async #exchangeStreaming(
    head: string,
    method: string,
    body: AsyncIterable<Uint8Array>,
  ): Promise<HttpResponse> {
    this.#streaming = true;
    const upload = new AbortController();
    const { promise: broken, reject } = Promise.withResolvers<never>();
    await this.#stream.write(Buffer.from(head));
    this.#sendChunks(body, upload.signal).catch((error: unknown) => {
      if (isBrokenPipe(error)) return;
      reject(error);
      this.close();
    });
    const response = await Promise.race([this.#readResponse(method), broken]);
    if (response.status >= 400) upload.abort();
    return response;
  }

  async #sendChunks(body: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    let isFirst = true;
    for await (const chunk of body) {
      if (signal.aborted) return;
      if (chunk.length === 0) continue;
      // The end of a chunk goes with the head of the next: each write is a trip to the kernel, and one more read there.
      const head = Buffer.from(`${isFirst ? "" : "\r\n"}${chunk.length.toString(16)}\r\n`);
      isFirst = false;
      if (chunk.length < JOINED_BYTES) await this.#stream.write(Buffer.concat([head, chunk]));
      else {
        await this.#stream.write(head);
        await this.#stream.write(chunk);
      }
    }
    await this.#stream.write(Buffer.from(`${isFirst ? "" : "\r\n"}0\r\n\r\n`));
  }

  async #readResponse(method: string): Promise<HttpResponse> {
    for (;;) {
      const { status, headers } = parseHead(await this.#readHead());
      if (status < 200 && status !== 101) continue;
      const framing = framingOf(method, status, headers);
      const keep =
        !this.#streaming &&
        framing.kind !== "until-end" &&
        headers.get("connection")?.toLowerCase() !== "close";
      if (framing.kind === "none" && status !== 101) this.#reusable = keep;
      return { status, headers, body: { read: () => this.#readBody(framing, keep) } };
    }
  }

  async #readHead(): Promise<string> {
    for (;;) {
      const end = this.#unread.indexOf(END_OF_HEAD);
      if (end >= 0) {
        const head = this.#unread.toString("latin1", 0, end);
        this.#unread = this.#unread.subarray(end + END_OF_HEAD.length);
        return head;
      }
      if (this.#unread.length > MAX_HEAD_BYTES)
        throw fail("internal", "the engine's response head is too long");
      if (!(await this.#more()))
        throw fail("unavailable", "the engine closed the connection without a response");
    }
  }

  /** Appends the next bytes to #unread; false at the end. */
  async #more(): Promise<boolean> {
    const chunk = await this.#stream.read();
    if (chunk === undefined) return false;
    this.#unread = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
    return true;
  }

  async #readBody(framing: Framing, keep: boolean): Promise<Buffer | undefined> {
    switch (framing.kind) {
      case "none":
        return undefined;
      case "until-end": {
        if (this.#unread.length === 0 && !(await this.#more())) return undefined;
        return this.#take(this.#unread.length);
      }
      case "length": {
        if (framing.left === 0) {
          this.#reusable = keep;
          return undefined;
        }
        const bytes = await this.#takeSome(framing.left);
        framing.left -= bytes.length;
        return bytes;
      }
      case "chunked": {
        if (framing.left < 0) return undefined;
        if (framing.left === 0 && !(await this.#nextChunk(framing))) {
          framing.left = -1;
          this.#reusable = keep;
          return undefined;
        }
        const bytes = await this.#takeSome(framing.left);
        framing.left -= bytes.length;
        return bytes;
      }
    }
  }

  #take(bytes: number): Buffer {
    const taken = this.#unread.subarray(0, bytes);
    this.#unread = bytes === this.#unread.length ? NOTHING : this.#unread.subarray(bytes);
    return taken;
  }

  async #takeSome(most: number): Promise<Buffer> {
    if (this.#unread.length === 0 && !(await this.#more()))
      throw fail("unavailable", "the engine closed the connection in the middle of a response");
    return this.#take(Math.min(most, this.#unread.length));
  }

  /** Reads the line before a chunk (and the line end after the previous one); false after the last chunk and trailers. */
  async #nextChunk(framing: { left: number; first: boolean }): Promise<boolean> {
    if (framing.first) framing.first = false;
    else await this.#readLine();
    const line = await this.#readLine();
    const digits = /^[0-9a-fA-F]{1,12}(?=$|[ \t;])/.exec(line);
    if (digits === null) throw fail("internal", `invalid chunk length ${JSON.stringify(line)} in a response`);
    framing.left = Number.parseInt(digits[0], 16);
    if (framing.left > 0) return true;
    while ((await this.#readLine()) !== "") continue;
    return false;
  }

  async #readLine(): Promise<string> {
    for (;;) {
      const end = this.#unread.indexOf("\r\n");
      if (end >= 0) {
        const line = this.#unread.toString("latin1", 0, end);
        this.#unread = this.#unread.subarray(end + 2);
        return line;
      }
      if (this.#unread.length > MAX_CHUNK_LINE_BYTES) throw fail("internal", "a chunk line is too long");
      if (!(await this.#more()))
        throw fail("unavailable", "the engine closed the connection in the middle of a response");
    }
  }

  /** After a `101` (or a `200` that turned into raw bytes): what follows, as a stream of its own. */
  detach(): ByteStream {
    const stream = this.#stream;
    let first = this.#unread;
    this.#unread = NOTHING;
    return {
      read: async () => {
        if (first.length === 0) return stream.read();
        const bytes = first;
        first = NOTHING;
        return bytes;
      },
      write: (bytes) => stream.write(bytes),
      endWrite: () => stream.endWrite(),
      close: () => stream.close(),
    };
  }

  close(): void {
    this.#reusable = false;
    this.#stream.close();
  }
}

function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "EPIPE" || error.code === "ECONNRESET");
}

/** A server may answer and close before it has read a body: the answer is then what counts. */
function ignoreBrokenPipe(error: unknown): void {
  if (!isBrokenPipe(error)) throw error;
}

function parseHead(head: string): { status: number; headers: Map<string, string> } {
  const lines = head.split("\r\n");
  const match = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(lines[0] ?? "");
  if (match === null) throw fail("internal", `not an HTTP response: ${JSON.stringify(head.slice(0, 60))}`);
  const headers = new Map<string, string>();
  for (const line of lines.slice(1)) {
    const colon = line.indexOf(":");
    if (colon <= 0) throw fail("internal", `invalid response header ${JSON.stringify(line.slice(0, 60))}`);
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return { status: Number(match[1]), headers };
}

function framingOf(method: string, status: number, headers: ReadonlyMap<string, string>): Framing {
  if (method === "HEAD" || status < 200 || status === 204 || status === 304) return { kind: "none" };
  if (headers.get("transfer-encoding")?.toLowerCase().includes("chunked") === true)
    return { kind: "chunked", left: 0, first: true };
  const length = headers.get("content-length");
  if (length === undefined) return { kind: "until-end" };
  if (!/^\d{1,15}$/.test(length)) throw fail("internal", `invalid response length ${JSON.stringify(length)}`);
  return length === "0" ? { kind: "none" } : { kind: "length", left: Number(length) };
}
