/**
 * One HTTP request and its answer; nothing is followed, retried or decoded here. Connections are kept and used again per
 * origin and trust. A body comes as the bytes that were sent: we ask for no encoding and undo none.
 */
import { type IncomingMessage, request as httpRequest } from "node:http";
import { DialAgent, portOf } from "./dial-agent.ts";
import { hostnameOf, isLoopbackHost } from "./ip-range.ts";
import { proxyFor } from "./proxies.ts";
import { badAnswer, connectionError, RegistryError } from "./registry-error.ts";
import type { RegistryOptions } from "./registry-options.ts";
import { StallWatch } from "./stall-watch.ts";
import type { Trust } from "./trust.ts";

export interface WireRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | StreamedBody;
  /** The registry on whose behalf this is: its certificates count, and only it may be on this machine. */
  readonly registry: URL;
  readonly signal: AbortSignal;
}

export interface StreamedBody {
  readonly sizeBytes: number;
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Told as the connection takes them. */
  readonly onSent: (bytes: number) => void;
}

export interface Answer {
  readonly url: URL;
  readonly status: number;
  readonly statusText: string;
  header(name: string): string | undefined;
  /** Once; ends the connection when it is broken off. Fails when less comes than was announced, or too slowly. */
  body(): AsyncIterable<Uint8Array>;
  /** Nothing of the body is wanted. Resolves when the connection is free for others, or closed. */
  discard(): Promise<void>;
}

const MAX_HEADER_BYTES = 64 << 10;
const MAX_INTERIM_ANSWERS = 20;
/** A rest this small is read to its end, so that the connection can be used again. */
const WORTH_DRAINING_BYTES = 64 << 10;
const MAX_AGENTS = 64;

export class Transport {
  readonly #options: RegistryOptions;
  readonly #trust: Trust;
  readonly #agents = new Map<string, DialAgent>();

  constructor(options: RegistryOptions, trust: Trust) {
    this.#options = options;
    this.#trust = trust;
  }

  /** Resolves with the head of the answer. Throws RegistryError, or what the signal says. */
  async send(wire: WireRequest): Promise<Answer> {
    const { url, method, signal } = wire;
    signal.throwIfAborted();
    if (url.protocol !== "https:" && url.protocol !== "http:")
      throw badAnswer(`refusing to speak to ${JSON.stringify(url.protocol)}: only http and https`);
    if (url.username !== "" || url.password !== "") throw badAnswer("refusing a URL with a user in it");
    const agent = await this.#agentFor(wire);
    try {
      return await this.#exchange(wire, agent);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw connectionError(method, url, error);
    }
  }

  async #agentFor({ url, registry }: WireRequest): Promise<DialAgent> {
    const isSecure = url.protocol === "https:";
    const tls = isSecure ? await this.#trust.tlsFor(url, registry.host) : undefined;
    const proxy = proxyFor(url, this.#options.proxies);
    const mayBeLocal =
      url.hostname === registry.hostname ||
      isLoopbackHost(hostnameOf(registry)) ||
      this.#options.insecure.includes(url.host);
    const key = `${url.origin} ${tls?.key ?? "plain"} ${mayBeLocal}`;
    const known = this.#agents.get(key);
    if (known !== undefined) return known;
    if (this.#agents.size >= MAX_AGENTS) this.#forgetOldest();
    const agent = new DialAgent(url, { tls, proxy, mayBeLocal, connectMs: this.#options.limits.connectMs });
    this.#agents.set(key, agent);
    return agent;
  }

  /** Requests under way keep their connections; only idle ones are closed. */
  #forgetOldest(): void {
    for (const [key, agent] of this.#agents) {
      this.#agents.delete(key);
      agent.closeIdle();
      return;
    }
  }

  closeIdle(): void {
    for (const agent of this.#agents.values()) agent.closeIdle();
  }

  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  #exchange(wire: WireRequest, agent: DialAgent): Promise<Answer> {
    const { limits } = this.#options;
    const { url, method, body, signal } = wire;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const absolute = agent.proxy !== undefined && url.protocol === "http:";
    const request = httpRequest({
      method,
      host: hostnameOf(url),
      port: portOf(url),
      path: absolute ? url.href : `${url.pathname}${url.search}`,
      headers: {
        ...wire.headers,
        Host: url.host,
        "User-Agent": this.#options.userAgent,
        "Accept-Encoding": "identity",
        ...lengthOf(method, body),
        ...(absolute && agent.proxy?.authorization !== ""
          ? { "Proxy-Authorization": agent.proxy?.authorization }
          : {}),
      },
      agent,
      maxHeaderSize: MAX_HEADER_BYTES,
    });
    const watch = new StallWatch(limits, (error) => request.destroy(error));
    const abort = (): void => void request.destroy(abortError(signal));
    let interim = 0;
    signal.addEventListener("abort", abort, { once: true });
    const release = (): void => {
      signal.removeEventListener("abort", abort);
      watch.stop();
    };
    request.on("information", () => {
      if (++interim > MAX_INTERIM_ANSWERS) request.destroy(badAnswer("too many interim answers"));
    });
    request.on("error", (error) => {
      release();
      reject(signal.aborted ? signal.reason : error);
    });
    request.on("response", (response) => {
      watch.stop();
      resolve(answerOf(wire, response, { limits, release }));
    });
    watch.expectAnswer(limits.connectMs + limits.answerMs);
    if (body === undefined || body instanceof Uint8Array) request.end(body);
    else {
      sendStream(request, body, watch, limits.answerMs).catch((error: unknown) => {
        reject(error);
        request.destroy(error instanceof Error ? error : new Error(String(error)));
      });
    }
    return promise;
  }
}

function lengthOf(method: string, body: WireRequest["body"]): Record<string, string> {
  if (body instanceof Uint8Array) return { "Content-Length": String(body.length) };
  if (body !== undefined) return { "Content-Length": String(body.sizeBytes) };
  return method === "GET" || method === "HEAD" ? {} : { "Content-Length": "0" };
}

function abortError(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error("aborted");
}

/** An early answer ends the sending: it is then what counts. */
async function sendStream(
  request: ReturnType<typeof httpRequest>,
  body: StreamedBody,
  watch: StallWatch,
  answerMs: number,
): Promise<void> {
  watch.stop(); // the source may take its time; only the connection may not
  let isOver = false;
  const ended = new Promise<void>((resolve) => {
    const end = (): void => {
      isOver = true;
      resolve();
    };
    request.once("response", end);
    request.once("close", end);
  });
  for await (const chunk of body.chunks) {
    if (isOver) return;
    if (!request.write(chunk)) {
      watch.expectProgress();
      await Promise.race([new Promise<void>((resolve) => request.once("drain", resolve)), ended]);
      watch.progress(chunk.length);
    }
    body.onSent(chunk.length);
  }
  if (isOver) return;
  watch.expectAnswer(answerMs);
  request.end();
}

function answerOf(
  { url, method, signal }: WireRequest,
  response: IncomingMessage,
  { limits, release }: { readonly limits: RegistryOptions["limits"]; readonly release: () => void },
): Answer {
  response.once("close", release);
  // Before somebody reads, nobody listens: what goes wrong until then shows when it is read.
  response.on("error", () => {});
  return {
    url,
    status: response.statusCode ?? 0,
    statusText: response.statusMessage ?? "",
    header: (name) => {
      const value = response.headers[name];
      return Array.isArray(value) ? value.join(", ") : value;
    },
    body: () => watchedBody(url, response, limits, signal),
    discard: () => drained(response, method, limits.stallMs),
  };
}

async function drained(response: IncomingMessage, method: string, withinMs: number): Promise<void> {
  const announced = response.headers["content-length"] ?? (response.statusCode === 204 ? "0" : "unknown");
  const isBodiless = method === "HEAD" || response.statusCode === 304;
  if (!isBodiless && !(Number(announced) <= WORTH_DRAINING_BYTES)) {
    response.destroy();
    return;
  }
  if (response.destroyed || response.readableEnded) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(() => {
    response.destroy();
    resolve();
  }, withinMs);
  response.once("end", resolve);
  response.once("close", resolve);
  response.resume();
  await promise;
  clearTimeout(timer);
}

async function* watchedBody(
  url: URL,
  response: IncomingMessage,
  limits: RegistryOptions["limits"],
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const watch = new StallWatch(limits, (error) => response.destroy(error));
  const source: AsyncIterator<Buffer> = response[Symbol.asyncIterator]();
  try {
    while (true) {
      watch.expectProgress();
      const next = await source.next();
      if (next.done === true) break;
      watch.progress(next.value.length);
      yield next.value;
    }
    if (!response.complete) throw new RegistryError("unavailable", "unexpected EOF", { mayRetry: true });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw connectionError("GET", url, error);
  } finally {
    watch.stop();
    if (!response.complete) response.destroy();
  }
}
