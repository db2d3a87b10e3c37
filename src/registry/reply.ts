/** Answers: headers that all have, bodies with back-pressure, and an end for readers that take nothing. */
import type { ServerResponse } from "node:http";
import { errorAnswer } from "./refusal.ts";

export type Headers = Readonly<Record<string, string>>;

const BANNER: Headers = {
  "Docker-Distribution-Api-Version": "registry/2.0",
  "X-Content-Type-Options": "nosniff",
};

/** Of a body at a time: what a slow reader must take within the time it has. */
const PIECE_BYTES = 64 << 10;

export class Reply {
  readonly #response: ServerResponse;
  readonly #idleMs: number;
  /** HEAD: the same head, no body. */
  readonly #headOnly: boolean;
  #abort: AbortController | undefined;
  #extra: Headers = {};
  /** Of bodies, for the metrics. */
  bytes = 0;

  constructor(response: ServerResponse, options: { readonly headOnly: boolean; readonly idleMs: number }) {
    this.#response = response;
    this.#headOnly = options.headOnly;
    this.#idleMs = options.idleMs;
  }

  get status(): number {
    return this.#response.statusCode;
  }

  get begun(): boolean {
    return this.#response.headersSent;
  }

  /** Whether the client went away before it had everything. */
  get isAbandoned(): boolean {
    return this.#response.destroyed && !this.#response.writableFinished;
  }

  /** Aborted when the client goes away before the answer is complete. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      const controller = new AbortController();
      this.#abort = controller;
      const response = this.#response;
      response.once("close", () => {
        if (!response.writableFinished) controller.abort(new Error("the client went away"));
      });
    }
    return this.#abort.signal;
  }

  /** Headers for whatever the answer will be. */
  add(headers: Headers): void {
    this.#extra = { ...this.#extra, ...headers };
  }

  empty(status: number, headers: Headers = {}): void {
    const length: Headers = status === 204 || status === 304 ? {} : { "Content-Length": "0" };
    this.#response.writeHead(status, { ...BANNER, ...length, ...this.#extra, ...headers });
    this.#response.end();
  }

  json(status: number, value: unknown, headers: Headers = {}): Promise<void> {
    return this.body(status, Buffer.from(`${JSON.stringify(value)}\n`), {
      "Content-Type": "application/json",
      ...headers,
    });
  }

  /** Bytes that are there already; who takes them too slowly is broken off as with `stream`. */
  async body(status: number, bytes: Uint8Array, headers: Headers): Promise<void> {
    if (bytes.length <= PIECE_BYTES || this.#headOnly) this.#small(status, bytes, headers);
    else await this.stream(status, { "Content-Length": String(bytes.length), ...headers }, piecesOf(bytes));
  }

  #small(status: number, bytes: Uint8Array, headers: Headers): void {
    const length = { "Content-Length": String(bytes.length) };
    this.#response.writeHead(status, { ...BANNER, ...length, ...this.#extra, ...headers });
    if (this.#headOnly) this.#response.end();
    else {
      this.bytes += bytes.length;
      this.#response.end(bytes);
    }
  }

  error(error: unknown): void {
    if (this.begun) {
      // Nothing else tells the client that this is not all.
      this.#breakOff();
      return;
    }
    const { status, headers, body } = errorAnswer(error);
    this.#small(status, Buffer.from(body), { "Content-Type": "application/json", ...headers });
  }

  /** The head, for an answer that has no body because it was asked with HEAD. */
  head(status: number, headers: Headers): void {
    this.#response.writeHead(status, { ...BANNER, ...this.#extra, ...headers });
    this.#response.end();
  }

  /**
   * Whoever reads too slowly, or stops, has its connection broken off. `headers` tell the length. What goes wrong before the
   * first piece is thrown with nothing sent yet.
   */
  async stream(status: number, headers: Headers, pieces: AsyncIterable<Uint8Array>): Promise<void> {
    const response = this.#response;
    const iterator = pieces[Symbol.asyncIterator]();
    try {
      let piece = await iterator.next();
      response.writeHead(status, { ...BANNER, ...this.#extra, ...headers });
      for (; piece.done !== true; piece = await iterator.next()) {
        if (response.destroyed) return;
        this.bytes += piece.value.length;
        if (!response.write(piece.value) && !(await this.#drained())) return;
      }
      response.end();
    } finally {
      await iterator.return?.();
    }
  }

  /** The connection itself: Bun leaves it open when only the response is destroyed. */
  #breakOff(): void {
    this.#response.req.socket.destroy();
  }

  /** False when the connection closed instead. */
  async #drained(): Promise<boolean> {
    const response = this.#response;
    if (response.destroyed) return false;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const onDrain = (): void => resolve(true);
    const onClose = (): void => resolve(false);
    const timer = setTimeout(() => this.#breakOff(), this.#idleMs);
    response.once("drain", onDrain);
    response.once("close", onClose);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      response.off("drain", onDrain);
      response.off("close", onClose);
    }
  }
}

async function* piecesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}
