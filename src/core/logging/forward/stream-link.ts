/** A sink at the other end of a TCP, TLS or unix connection. */
import { lookup } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls, rootCertificates } from "node:tls";
import { fail, messageOf } from "../../../base/errors.ts";
import { descriptorOf } from "../../../base/socket-descriptor.ts";
import type { Endpoint, TlsFiles } from "../remote-log.ts";
import type { StreamEncoder } from "../sinks/encoder.ts";
import { readAnswer } from "../sinks/msgpack.ts";
import { CONNECT_MS, endpointText, type Link, type LinkSockets } from "./link.ts";
import type { LogRecord } from "./records.ts";

type StreamEndpoint = Extract<Endpoint, { kind: "tcp" | "tls" | "unix" }>;

export interface StreamTimeouts {
  /** For one batch to be handed over. */
  readonly writeMs: number;
  /** For its acknowledgement. */
  readonly readMs: number;
}

interface StreamOptions {
  readonly timeouts: StreamTimeouts;
  readonly sockets: Pick<LinkSockets, "unsentBytes">;
}

const KEEP_ALIVE_MS = 30_000;
const CLOSE_MS = 500;
const ANSWER_MAX_BYTES = 4096;

export async function openStreamLink(
  endpoint: StreamEndpoint,
  encoder: StreamEncoder,
  { timeouts, sockets, signal }: StreamOptions & { readonly signal: AbortSignal },
): Promise<Link> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS)]);
  const socket = await dial(endpoint, within);
  return new StreamLink(socket, encoder, { timeouts, sockets, name: endpointText(endpoint) });
}

async function dial(endpoint: StreamEndpoint, signal: AbortSignal): Promise<Socket> {
  switch (endpoint.kind) {
    case "unix":
      return opened(connect({ path: endpoint.path }), "connect", signal);
    case "tcp":
      return opened(
        connect({ host: await addressOf(endpoint.host, signal), port: endpoint.port, noDelay: true }),
        "connect",
        signal,
      );
    case "tls": {
      const { host, port, tls } = endpoint;
      const secure = connectTls({
        host: await addressOf(host, signal),
        port,
        ...(isIP(host) === 0 ? { servername: host } : {}),
        rejectUnauthorized: tls.verify,
        ...(await identity(tls)),
      });
      return opened(secure, "secureConnect", signal);
    }
  }
}

async function identity({
  ca,
  cert,
  key,
}: TlsFiles): Promise<{ ca?: string[]; cert?: string; key?: string }> {
  return {
    ...(ca === "" ? {} : { ca: [...rootCertificates, await readFile(ca, "utf8")] }),
    ...(cert === "" ? {} : { cert: await readFile(cert, "utf8") }),
    ...(key === "" ? {} : { key: await readFile(key, "utf8") }),
  };
}

/** A name's first address. */
export async function addressOf(host: string, signal: AbortSignal): Promise<string> {
  if (isIP(host) !== 0) return host;
  return (await untilAborted(lookup(host), signal)).address;
}

class StreamLink implements Link {
  readonly #socket: Socket;
  readonly #encoder: StreamEncoder;
  readonly #options: StreamOptions & { readonly name: string };
  #sent = 0;
  #certain = 0;
  #failure: Error | undefined;
  #ended = Promise.withResolvers<void>();
  #answer = Buffer.alloc(0);
  #onAnswer: (() => void) | undefined;
  #isWaitingForAnswer = false;

  constructor(socket: Socket, encoder: StreamEncoder, options: StreamOptions & { readonly name: string }) {
    this.#socket = socket;
    this.#encoder = encoder;
    this.#options = options;
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on("error", (error) => this.#fail(error));
    socket.on("end", () => this.#fail(fail("unavailable", "the sink has closed the connection")));
    socket.on("close", () => this.#fail(fail("unavailable", "the connection is closed")));
    socket.on("data", (bytes: Buffer) => this.#hear(bytes));
  }

  get isOpen(): boolean {
    return this.#failure === undefined;
  }

  get gone(): Promise<void> {
    return this.#ended.promise;
  }

  get isCertain(): boolean {
    return this.#encoder.isAcknowledged;
  }

  get sentBytes(): number {
    return this.#sent;
  }

  get certainBytes(): number {
    if (this.#encoder.isAcknowledged) return this.#certain;
    const fd = this.#failure === undefined ? descriptorOf(this.#socket) : undefined;
    // TLS adds bytes to those that were sent, so this is never too much.
    if (fd !== undefined)
      this.#certain = Math.max(this.#certain, this.#sent - this.#options.sockets.unsentBytes(fd));
    return this.#certain;
  }

  async send(records: readonly LogRecord[], signal: AbortSignal): Promise<void> {
    const { bytes, ack } = this.#encoder.encode(records);
    if (bytes.length === 0) return;
    this.#isWaitingForAnswer = ack !== undefined;
    await this.#step(
      "take a batch",
      this.#write(bytes),
      AbortSignal.any([signal, timeout(this.#options.timeouts.writeMs)]),
    );
    this.#sent += bytes.length;
    if (ack === undefined) return;
    await this.#step(
      "acknowledge a batch",
      this.#hearAck(ack),
      AbortSignal.any([signal, timeout(this.#options.timeouts.readMs)]),
    );
    this.#isWaitingForAnswer = false;
    this.#certain = this.#sent;
  }

  async close(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const before = this.#ended.promise;
    const finished = Promise.withResolvers<void>();
    let isFinished = false;
    this.#socket.end(() => {
      isFinished = true;
      finished.resolve();
    });
    try {
      // The sink closes, too, when it has read everything; one that does not is not waited for.
      await Promise.race([
        before,
        untilAborted(new Promise<never>(() => {}), timeout(CLOSE_MS)).catch(() => {}),
      ]);
    } finally {
      this.destroy();
    }
    if (!isFinished)
      throw this.#failure ?? fail("unavailable", `${this.#options.name} did not take the last lines`);
    if (this.#failure !== undefined && "code" in this.#failure) throw this.#failure;
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #write(bytes: Uint8Array): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#socket.write(bytes, (error) => (error ? reject(error) : resolve()));
    return promise;
  }

  async #step(what: string, work: Promise<void>, signal: AbortSignal): Promise<void> {
    const gone = this.#ended.promise.then(() => {
      throw this.#failure ?? fail("unavailable", "the connection is closed");
    });
    gone.catch(() => {});
    work.catch(() => {});
    try {
      if (this.#failure !== undefined) throw this.#failure;
      await untilAborted(Promise.race([work, gone]), signal);
    } catch (error) {
      this.destroy();
      const reason = isTimeout(error) ? "it did not in time" : messageOf(error);
      throw fail("unavailable", `${this.#options.name} does not ${what}: ${reason}`, error);
    }
  }

  async #hearAck(expected: string): Promise<void> {
    for (;;) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#onAnswer = resolve;
      const ack = readAnswer(this.#answer, "ack");
      if (ack !== undefined) {
        if (ack !== expected) throw fail("unavailable", "it acknowledges something else");
        this.#answer = Buffer.alloc(0);
        return;
      }
      await promise;
    }
  }

  /** What a sink says without being asked is of no interest. */
  #hear(bytes: Buffer): void {
    if (!this.#isWaitingForAnswer) return;
    this.#answer = Buffer.concat([this.#answer, bytes]);
    if (this.#answer.length > ANSWER_MAX_BYTES) this.#fail(fail("unavailable", "the answer is too long"));
    this.#onAnswer?.();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#ended.resolve();
  }
}

function timeout(ms: number): AbortSignal {
  return AbortSignal.timeout(ms);
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === "TimeoutError";
}

function opened(socket: Socket, event: string, signal: AbortSignal): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const abort = (): void => {
    socket.destroy();
    reject(signal.reason);
  };
  const closed = (): void => reject(fail("unavailable", "the sink has closed the connection"));
  // For as long as it lives: an error that nobody hears would end the daemon.
  socket.on("error", reject);
  socket.once("close", closed);
  socket.once(event, () => resolve(socket));
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  return promise.finally(() => {
    signal.removeEventListener("abort", abort);
    socket.off("close", closed);
  });
}

function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  return Promise.race([work, promise]).finally(() => signal.removeEventListener("abort", abort));
}
