/** The launcher's side of a conversation: a hello, and perhaps a "go". Each has a deadline; anything else ends it. */
import type { Socket } from "node:net";

const HELLO = 0x31637267;
const GO = 0x6f67;
const HELLO_BYTES = 8;
const GO_BYTES = 4;
const TIMEOUT_MS = 1000;

export class Connection {
  readonly #socket: Socket;
  readonly #isOver: Promise<undefined>;
  #bytes: Buffer = Buffer.alloc(0);
  #more: PromiseWithResolvers<undefined> = Promise.withResolvers();

  constructor(socket: Socket) {
    this.#socket = socket;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#isOver = promise;
    const over = (): void => {
      resolve(undefined);
      socket.destroy();
    };
    socket.on("data", (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      if (this.#bytes.length > HELLO_BYTES + GO_BYTES) over();
      this.#more.resolve(undefined);
    });
    socket.on("end", over);
    socket.on("error", over);
    socket.on("close", over);
  }

  /** Which of the launcher's descriptors this is; undefined when it says something else, nothing in time, or leaves. */
  async hello(): Promise<number | undefined> {
    const bytes = await this.#take(HELLO_BYTES);
    return bytes?.readUInt32LE(0) === HELLO ? bytes.readUInt32LE(4) : undefined;
  }

  /** Whether it still waits for us to begin. */
  async go(): Promise<boolean> {
    return (await this.#take(GO_BYTES))?.readUInt32LE(0) === GO;
  }

  close(): void {
    this.#socket.destroy();
  }

  async #take(count: number): Promise<Buffer | undefined> {
    const timer = setTimeout(() => this.#socket.destroy(), TIMEOUT_MS);
    try {
      while (this.#bytes.length < count && !this.#socket.destroyed) {
        this.#more = Promise.withResolvers();
        await Promise.race([this.#more.promise, this.#isOver]);
      }
    } finally {
      clearTimeout(timer);
    }
    if (this.#bytes.length < count) return undefined;
    const taken = this.#bytes.subarray(0, count);
    this.#bytes = this.#bytes.subarray(count);
    return taken;
  }
}
