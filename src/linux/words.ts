/**
 * What a launcher says to a resident program: few and short words. Each that is waited for has a deadline; who leaves, closes
 * their half, or says more than anybody listens to is let go of.
 */
import type { Socket } from "node:net";

const TIMEOUT_MS = 1000;

export interface WordLimits {
  /** Of what has been said and not taken. */
  readonly mostUnreadBytes: number;
  /** Time for each word that is waited for. */
  readonly timeoutMs?: number | undefined;
}

export class Words {
  readonly #socket: Socket;
  readonly #gone = new AbortController();
  readonly #timeoutMs: number;
  #unread: Buffer = Buffer.alloc(0);
  #more: PromiseWithResolvers<void> = Promise.withResolvers();

  /** The socket's bytes are read here alone; `onMore` is called whenever some have arrived. */
  constructor(socket: Socket, { mostUnreadBytes, timeoutMs = TIMEOUT_MS }: WordLimits, onMore = () => {}) {
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
    const over = (): void => {
      socket.destroy();
      this.#unread = Buffer.alloc(0);
      this.#gone.abort();
      this.#more.resolve();
    };
    socket.on("data", (chunk: Buffer) => {
      this.#unread = Buffer.concat([this.#unread, chunk]);
      if (this.#unread.length > mostUnreadBytes) return over();
      this.#more.resolve();
      onMore();
    });
    socket.on("end", over);
    socket.on("error", over);
    socket.on("close", over);
  }

  /** Aborted when the other side has left, or was let go of. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** The next `length` bytes; undefined when they do not come, with the socket closed. */
  async next(length: number): Promise<Buffer | undefined> {
    const timer = setTimeout(() => this.#socket.destroy(), this.#timeoutMs);
    try {
      while (this.#unread.length < length && !this.#socket.destroyed) {
        this.#more = Promise.withResolvers();
        await this.#more.promise;
      }
    } finally {
      clearTimeout(timer);
    }
    return this.take(length);
  }

  /** The next `length` bytes when they are there; of what somebody said who is gone, nothing. */
  take(length: number): Buffer | undefined {
    if (this.#unread.length < length) return undefined;
    const taken = this.#unread.subarray(0, length);
    this.#unread = this.#unread.subarray(length);
    return taken;
  }
}
