/** Bodies of requests: read with back-pressure, counted, and broken off when they bring too little for too long. */
import type { IncomingMessage } from "node:http";
import { fail } from "../base/errors.ts";
import type { Limits } from "./limits.ts";
import { refuse } from "./refusal.ts";

export interface Pace extends Pick<Limits, "idleMs" | "graceMs" | "leastBytesPerSecond"> {
  /** Told what arrives. */
  readonly onBytes: (count: number) => void;
}

/** The bytes a body says it has; undefined when it will tell by ending. Throws SIZE_INVALID. */
export function declaredLength(request: IncomingMessage): number | undefined {
  if (request.headers["transfer-encoding"] !== undefined) return undefined;
  const text = request.headers["content-length"] ?? "0";
  const length = Number(text);
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(length)) throw refuse("SIZE_INVALID");
  return length;
}

/**
 * The body as it arrives. Throws when the client goes away (what came before it has been given out), when the signal fires,
 * and TOOMANYREQUESTS with status 408 when the client is slower than the pace.
 */
export async function* readBody(
  request: IncomingMessage,
  pace: Pace,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  if (declaredLength(request) === 0) return;
  const start = performance.now();
  const chunks = request[Symbol.asyncIterator]();
  let bytes = 0;
  const clock = new Clock(signal);
  try {
    for (;;) {
      const next = await clock.within(pace.idleMs, chunks.next());
      if (next === "late") throw tooSlow();
      if (next.done === true) return;
      const chunk: unknown = next.value;
      if (!Buffer.isBuffer(chunk)) throw fail("internal", "a request body arrived as text");
      bytes += chunk.length;
      pace.onBytes(chunk.length);
      const elapsedMs = performance.now() - start;
      if (elapsedMs > pace.graceMs && bytes < (elapsedMs / 1000) * pace.leastBytesPerSecond) throw tooSlow();
      yield chunk;
    }
  } finally {
    clock.stop();
  }
}

/** A whole body of at most `limit` bytes; one that says or proves to be longer is refused with `tooLarge()`. */
export async function readSmallBody(
  request: IncomingMessage,
  limit: number,
  options: { readonly pace: Pace; readonly signal: AbortSignal; readonly tooLarge: () => Error },
): Promise<Buffer> {
  if ((declaredLength(request) ?? 0) > limit) throw options.tooLarge();
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of readBody(request, options.pace, options.signal)) {
    bytes += chunk.length;
    if (bytes > limit) throw options.tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooSlow(): Error {
  return refuse("TOOMANYREQUESTS", { status: 408, message: "the request's body comes too slowly" });
}

/** One timer and one listener for any number of waits, one after the other. */
class Clock {
  readonly #signal: AbortSignal;
  #timer: NodeJS.Timeout | undefined;
  #ring: (() => void) | undefined;
  #break: ((reason: unknown) => void) | undefined;

  constructor(signal: AbortSignal) {
    signal.throwIfAborted();
    this.#signal = signal;
    signal.addEventListener("abort", this.#onAbort);
  }

  readonly #onAbort = (): void => this.#break?.(this.#signal.reason);

  async within<T>(ms: number, work: Promise<T>): Promise<T | "late"> {
    const { promise, resolve, reject } = Promise.withResolvers<T | "late">();
    this.#ring = () => resolve("late");
    this.#break = reject;
    if (this.#timer === undefined) this.#timer = setTimeout(() => this.#ring?.(), ms);
    else this.#timer.refresh();
    // First of all, so that nobody is left with a failure of `work` that comes after the end.
    work.then(resolve, reject);
    if (this.#signal.aborted) this.#onAbort();
    return promise;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#signal.removeEventListener("abort", this.#onAbort);
  }
}
