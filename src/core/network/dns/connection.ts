/** One TCP connection of a client (RFC 7766): queries may follow each other at once, and are answered as answers come. */
import type { ByteStream } from "../../../base/byte-stream.ts";
import { frame, FrameReader } from "./frames.ts";

/** Nobody's query is longer. */
const MAX_QUERY_BYTES = 4096;
/** Answered at the same time; after that the client has to wait. */
const MAX_PIPELINED = 16;

export interface ConnectionOptions {
  /** Undefined: no answer to this one. */
  answer(query: Uint8Array): Promise<Uint8Array | undefined>;
  readonly idleMs: number;
  readonly signal: AbortSignal;
}

/** Resolves, always, when the conversation is over; the stream is closed then. */
export async function serveConnection(stream: ByteStream, options: ConnectionOptions): Promise<void> {
  const { idleMs, signal } = options;
  const close = (): void => stream.close();
  signal.addEventListener("abort", close);
  if (signal.aborted) close();
  const underWay = new Set<Promise<void>>();
  const idle = (): void => {
    if (underWay.size === 0) close();
    else timer = setTimeout(idle, idleMs);
  };
  let timer = setTimeout(idle, idleMs);
  try {
    const frames = new FrameReader(stream, MAX_QUERY_BYTES);
    for (;;) {
      const query = await frames.next();
      if (query === undefined) break;
      clearTimeout(timer);
      const answering = answerOne(stream, query, options).finally(() => underWay.delete(answering));
      underWay.add(answering);
      if (underWay.size >= MAX_PIPELINED) await Promise.race(underWay);
      timer = setTimeout(idle, idleMs);
    }
    clearTimeout(timer);
    await Promise.all(underWay); // a client may end its direction and read on
    await stream.endWrite();
  } catch {
    // The client is gone, or was idle for too long.
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", close);
    close();
  }
}

async function answerOne(stream: ByteStream, query: Uint8Array, options: ConnectionOptions): Promise<void> {
  const answer = await options.answer(query);
  if (answer === undefined) return;
  // A client that does not read its answers must not hold them here for ever.
  const timer = setTimeout(() => stream.close(), options.idleMs);
  try {
    await stream.write(frame(answer));
  } catch {
    stream.close();
  } finally {
    clearTimeout(timer);
  }
}
