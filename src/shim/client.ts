/**
 * One connection to a shim: requests with their answers, events, and the change into a byte stream.
 *
 * The connection does not know how the socket came to be; who made it hands over its ownership. It ends for good with
 * the first end of file, error or damaged frame, and then everything still waiting is rejected `unavailable`.
 */
import type { Duplex } from "node:stream";
import { type GantryError, fail } from "../base/errors.ts";
import { errnoName } from "../base/errno.ts";
import { FrameReader } from "./frames.ts";
import {
  type Frame,
  type ShimErrorReply,
  type ShimEvent,
  type ShimRequest,
  decodeMessage,
  encodeRequest,
} from "./protocol.ts";

/** The shim's answer was no. */
export class ShimRefusal extends Error {
  /** The shim's words alone; `message` has the errno's name behind them. */
  readonly text: string;
  /** "ENOENT", or "" when a step's own expectation was violated and no system call failed. */
  readonly errno: string;
  /** 1 + the index of the plan's step that failed, 0 when it was none. */
  readonly op: number;

  constructor(reply: ShimErrorReply) {
    const errno = reply.errno === 0 ? "" : errnoName(reply.errno);
    super(errno === "" || reply.text.includes(errno) ? reply.text : `${reply.text}: ${errno}`);
    this.name = "ShimRefusal";
    this.text = reply.text;
    this.errno = errno;
    this.op = reply.op;
  }
}

interface Waiting {
  readonly resolve: (body: Uint8Array) => void;
  readonly reject: (error: Error) => void;
  /** The answer ends the frames: what follows belongs to a stream. */
  readonly becomesStream: boolean;
}

export class ShimConnection {
  readonly #socket: Duplex;
  readonly #onEvent: (event: ShimEvent) => void;
  readonly #frames = new FrameReader();
  readonly #waiting = new Map<number, Waiting>();
  readonly #closed = Promise.withResolvers<void>();
  #end: GantryError | undefined;
  #isCutOff = false;
  #lastTag = 0;

  /** Takes ownership of `socket`. `onEvent` is called in order of arrival, before anything that waits is resumed. */
  constructor(socket: Duplex, onEvent: (event: ShimEvent) => void = () => {}) {
    this.#socket = socket;
    this.#onEvent = onEvent;
    socket.on("data", this.#onData);
    socket.on("end", this.#onEnd);
    socket.on("error", this.#onError);
    socket.on("close", this.#onClose);
  }

  /** Resolves when the connection has ended, for whatever reason (not when it became a stream). */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  get isClosed(): boolean {
    return this.#end !== undefined;
  }

  /** Whether it was the other side that ended it, or could not be reached in the first place. */
  get isCutOff(): boolean {
    return this.#isCutOff;
  }

  /**
   * Sends one request and returns the payload of its answer, a view that is valid for good. Throws ShimRefusal when
   * the shim says no, `unavailable` after `timeoutMs` milliseconds (undefined = wait as long as the connection lives)
   * or when the connection ends. A late answer is dropped.
   */
  request(request: ShimRequest, timeoutMs: number | undefined): Promise<Uint8Array> {
    return this.#send(request, timeoutMs, false);
  }

  /**
   * Like `request`, for one whose answer turns the connection into a stream. The stream is the socket itself, not
   * yet flowing, with everything that arrived behind the answer; the caller owns it then, and need not handle its "error" event as
   * "close" follows it. When this throws the socket is destroyed.
   */
  async openStream(
    request: ShimRequest,
    timeoutMs: number,
  ): Promise<{ readonly body: Uint8Array; readonly stream: Duplex }> {
    try {
      const body = await this.#send(request, timeoutMs, true);
      return { body, stream: this.#socket };
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Ends the connection at once. */
  close(): void {
    this.#finish(fail("unavailable", "connection to the shim was closed"));
  }

  async #send(
    request: ShimRequest,
    timeoutMs: number | undefined,
    becomesStream: boolean,
  ): Promise<Uint8Array> {
    if (this.#end !== undefined) throw this.#end;
    const tag = this.#freeTag();
    const bytes = encodeRequest(tag, request);
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    let timer: NodeJS.Timeout | undefined;
    if (timeoutMs !== undefined)
      timer = setTimeout(() => {
        reject(fail("unavailable", `shim did not answer "${request.kind}" within ${timeoutMs} ms`));
      }, timeoutMs);
    this.#waiting.set(tag, {
      becomesStream,
      resolve: (body) => {
        clearTimeout(timer);
        resolve(body);
      },
      reject: (error) => {
        clearTimeout(timer);
        reject(error);
      },
    });
    this.#socket.write(bytes);
    return await promise;
  }

  /** A tag stays taken until its answer came, even when nobody waits for it any more. */
  #freeTag(): number {
    if (this.#waiting.size >= 0xffff) throw fail("unavailable", "too many unanswered requests to a shim");
    do this.#lastTag = (this.#lastTag % 0xffff) + 1;
    while (this.#waiting.has(this.#lastTag));
    return this.#lastTag;
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#frames.push(chunk);
    try {
      for (let frame = this.#frames.next(); frame !== undefined; frame = this.#frames.next())
        if (this.#dispatch(frame)) return;
    } catch (cause) {
      this.#finish(fail("unavailable", "shim sent a damaged frame", cause));
    }
  };

  /** True when the connection has become a stream. */
  #dispatch(frame: Frame): boolean {
    const message = decodeMessage(frame);
    if (message === undefined) return false;
    if (message.kind === "event") {
      this.#onEvent(message.event);
      return false;
    }
    const waiting = this.#waiting.get(message.tag);
    if (waiting === undefined) throw fail("internal", `answer to unknown tag ${message.tag}`);
    this.#waiting.delete(message.tag);
    if (message.kind === "error") {
      waiting.reject(new ShimRefusal(message));
      return false;
    }
    if (waiting.becomesStream) this.#becomeStream();
    waiting.resolve(message.body);
    return waiting.becomesStream;
  }

  #becomeStream(): void {
    this.#socket.pause();
    // As if it was never read: otherwise a "data" listener of the new owner would not start it.
    Reflect.set(this.#socket, "readableFlowing", null);
    this.#socket.off("data", this.#onData);
    this.#socket.off("end", this.#onEnd);
    this.#socket.off("close", this.#onClose);
    const rest = this.#frames.takeRest();
    if (rest.length > 0) this.#socket.unshift(rest);
  }

  readonly #onEnd = (): void => this.#cutOff(fail("unavailable", "shim closed the connection"));

  /** Stays in place when the connection becomes a stream: an "error" that nobody listens to would end the daemon. */
  readonly #onError = (cause: Error): void =>
    this.#cutOff(fail("unavailable", "connection to the shim broke", cause));

  readonly #onClose = (): void => this.#cutOff(fail("unavailable", "connection to the shim ended"));

  #cutOff(end: GantryError): void {
    if (this.#end === undefined) this.#isCutOff = true;
    this.#finish(end);
  }

  #finish(end: GantryError): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#socket.destroy();
    for (const { reject } of this.#waiting.values()) reject(end);
    this.#waiting.clear();
    this.#closed.resolve();
  }
}
