/**
 * Outgoing connections, and those that somebody else made. Under Bun through `Bun.connect`, which a compiled program has at
 * hand, while the first use of `node:net` costs it several milliseconds; under Node through `node:net`. Both behave alike:
 * see bun-socket.test.ts. Sockets of `node:net` do not take descriptors under Bun 1.4.
 */
import type { Socket } from "node:net";
import { type ByteStream, ChunkQueue, type Endpoint, READ_AHEAD_BYTES } from "./byte-stream.ts";

interface BunSocket {
  /** Bytes taken by the kernel, -1 when the socket is gone. */
  write(bytes: Uint8Array): number;
  shutdown(halfClose?: boolean): void;
  terminate(): void;
  end(): void;
  pause(): void;
  resume(): void;
}

interface BunHandlers {
  data(socket: BunSocket, chunk: Buffer): void;
  drain(): void;
  end(): void;
  close(socket: BunSocket, error?: Error): void;
  error(socket: BunSocket, error: Error): void;
  open(): void;
}

interface BunConnect {
  connect(
    options: { readonly allowHalfOpen: true; readonly socket: BunHandlers } & (
      | { readonly unix: string }
      | { readonly hostname: string; readonly port: number }
      | { readonly fd: number }
    ),
  ): Promise<BunSocket>;
}

declare const Bun: BunConnect | undefined;

/** Opens a connection; rejects with the system error (`code` is ENOENT, EACCES, ECONNREFUSED …). No deadline of its own. */
export async function connectSocket(endpoint: Endpoint): Promise<ByteStream> {
  return typeof Bun === "undefined" ? connectNode(endpoint) : connectBun(Bun, endpoint);
}

function resetError(): Error {
  return Object.assign(new Error("connection closed by the other side"), { code: "ECONNRESET" });
}

class BunByteStream implements ByteStream {
  readonly #readAheadBytes: number;
  readonly #incoming = new ChunkQueue();
  #socket: BunSocket | undefined;
  #paused = false;
  #isOursEnded = false;
  #isTheirsEnded = false;
  #gone: Error | undefined;
  #drained: PromiseWithResolvers<void> | undefined;
  #lastWrite: Promise<void> = Promise.resolve();

  readonly handlers: BunHandlers = {
    open: () => {},
    data: (socket, chunk) => {
      this.#incoming.push(chunk);
      if (this.#incoming.bytes > this.#readAheadBytes && !this.#paused) {
        this.#paused = true;
        socket.pause();
      }
    },
    drain: () => {
      this.#drained?.resolve();
      this.#drained = undefined;
    },
    end: () => {
      this.#isTheirsEnded = true;
      this.#incoming.finish();
    },
    close: (_socket, error) => this.#fall(error),
    error: (_socket, error) => this.#fall(error),
  };

  constructor(readAheadBytes: number) {
    this.#readAheadBytes = readAheadBytes;
  }

  open(socket: BunSocket): void {
    this.#socket = socket;
  }

  #fall(error: Error | undefined): void {
    this.#gone ??= error ?? resetError();
    this.#incoming.finish(error);
    this.#drained?.reject(this.#gone);
    this.#drained = undefined;
  }

  async read(): Promise<Buffer | undefined> {
    const chunk = this.#incoming.shift();
    if (this.#paused && this.#incoming.bytes < this.#readAheadBytes / 2) {
      this.#paused = false;
      this.#socket?.resume();
    }
    return chunk;
  }

  async write(bytes: Uint8Array): Promise<void> {
    const before = this.#lastWrite;
    const mine = before.then(() => this.#send(bytes));
    this.#lastWrite = mine.catch(() => {});
    return mine;
  }

  async #send(bytes: Uint8Array): Promise<void> {
    let rest = bytes;
    while (rest.length > 0) {
      if (this.#gone !== undefined || this.#socket === undefined) throw this.#gone ?? resetError();
      const taken = this.#socket.write(rest);
      if (taken < 0) throw Object.assign(new Error("broken pipe"), { code: "EPIPE" });
      rest = rest.subarray(taken);
      if (rest.length === 0) return;
      this.#drained ??= Promise.withResolvers();
      await this.#drained.promise;
    }
  }

  async endWrite(): Promise<void> {
    await this.#lastWrite;
    this.#isOursEnded = true;
    if (this.#gone === undefined) this.#socket?.shutdown();
  }

  close(): void {
    this.#gone ??= resetError();
    this.#incoming.finish();
    // With both directions ended this is no more than giving the descriptor back; terminate() would still reset.
    if (this.#isOursEnded && this.#isTheirsEnded) this.#socket?.end();
    else this.#socket?.terminate();
  }
}

async function connectBun(bun: BunConnect, endpoint: Endpoint): Promise<ByteStream> {
  const stream = new BunByteStream(READ_AHEAD_BYTES);
  const where =
    endpoint.kind === "unix" ? { unix: endpoint.path } : { hostname: endpoint.host, port: endpoint.port };
  stream.open(await bun.connect({ ...where, allowHalfOpen: true, socket: stream.handlers }));
  return stream;
}

/**
 * Takes over a connected, non-blocking socket: its descriptor is closed with the stream. About `readAheadBytes` are held
 * unread before the other side has to wait.
 */
export async function adoptSocket(fd: number, readAheadBytes = READ_AHEAD_BYTES): Promise<ByteStream> {
  if (typeof Bun === "undefined") return adoptNode(fd, readAheadBytes);
  const stream = new BunByteStream(readAheadBytes);
  stream.open(await Bun.connect({ fd, allowHalfOpen: true, socket: stream.handlers }));
  return stream;
}

/** The Node twin, exported for its test. */
export async function connectNode(endpoint: Endpoint): Promise<ByteStream> {
  const net = await import("node:net");
  const where =
    endpoint.kind === "unix" ? { path: endpoint.path } : { host: endpoint.host, port: endpoint.port };
  const socket = net.connect({ ...where, allowHalfOpen: true });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  return nodeStream(socket, READ_AHEAD_BYTES);
}

async function adoptNode(fd: number, readAheadBytes: number): Promise<ByteStream> {
  const net = await import("node:net");
  const socket = new net.Socket({ fd, allowHalfOpen: true, readable: true, writable: true });
  return nodeStream(socket, readAheadBytes);
}

/** One that is connected. */
export function nodeStream(socket: Socket, readAheadBytes: number): ByteStream {
  const incoming = new ChunkQueue();
  let gone: Error | undefined;
  socket.on("data", (chunk: Buffer) => {
    incoming.push(chunk);
    if (incoming.bytes > readAheadBytes) socket.pause();
  });
  socket.on("end", () => incoming.finish());
  socket.on("error", (error) => {
    gone = error;
    incoming.finish(error);
  });
  socket.on("close", () => {
    gone ??= resetError();
    incoming.finish();
  });
  return {
    async read() {
      const chunk = incoming.shift();
      if (socket.isPaused() && incoming.bytes < readAheadBytes / 2) socket.resume();
      return chunk;
    },
    async write(bytes) {
      if (gone !== undefined) throw gone;
      await new Promise<void>((resolve, reject) => {
        socket.write(bytes, (error) => (error === null || error === undefined ? resolve() : reject(error)));
      });
    },
    async endWrite() {
      await new Promise<void>((resolve) => {
        socket.end(resolve);
      });
    },
    close() {
      socket.destroy();
    },
  };
}
