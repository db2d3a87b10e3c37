/** What a resident client and the command `gantry` say to each other, as bytes: native/include/client.h. */
import type { Socket } from "node:net";

const HELLO = 0x31636c67;
const GO = 0x6f67;
const WORD_BYTES = 4;
const KINDS = { ready: 1, output: 2, errors: 3, signals: 4, exit: 5, yourself: 6 } as const;
const MAX_BYTES = 64 << 10;
/** Signals that nobody has taken note of yet: more would be nonsense. */
const MOST_UNREAD_BYTES = 1024;
const TIMEOUT_MS = 1000;

export class Conversation {
  readonly #socket: Socket;
  readonly #gone = new AbortController();
  readonly #timeoutMs: number;
  #unread: Buffer = Buffer.alloc(0);
  #more: PromiseWithResolvers<void> = Promise.withResolvers();
  #onSignal: ((number: number) => void) | undefined;

  /** `timeoutMs` is what the other side has for each of its first two words. */
  constructor(socket: Socket, timeoutMs = TIMEOUT_MS) {
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
    const over = (): void => {
      socket.destroy();
      this.#gone.abort();
      this.#more.resolve();
    };
    socket.on("data", (chunk: Buffer) => {
      this.#unread = Buffer.concat([this.#unread, chunk]);
      if (this.#unread.length > MOST_UNREAD_BYTES) over();
      this.#more.resolve();
      this.#tellSignals();
    });
    socket.on("end", over);
    socket.on("error", over);
    socket.on("close", over);
  }

  /** Aborted when the other side has left, or said something that it cannot mean. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  async hello(): Promise<boolean> {
    return (await this.#word()) === HELLO;
  }

  /** Says that we are able to, and whether the other side wants us to begin. */
  async ready(): Promise<boolean> {
    this.#send("ready", Buffer.alloc(0)).catch(() => {}); // It has left: it will not say "go".
    return (await this.#word()) === GO;
  }

  /** Resolves when the kernel has taken the bytes; rejects with EPIPE when nobody takes them any more. */
  async write(stream: "output" | "errors", bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += MAX_BYTES)
      await this.#send(stream, bytes.subarray(at, at + MAX_BYTES));
  }

  /** Signals that are told to `callback` instead of having their effect over there; none with an empty list. */
  passSignals(numbers: readonly number[], callback: (number: number) => void): void {
    this.#onSignal = callback;
    const mask = Buffer.alloc(8);
    mask.writeBigUInt64LE(numbers.reduce((bits, number) => bits | (1n << BigInt(number - 1)), 0n));
    this.#send("signals", mask).catch(() => {}); // It has left, which `gone` tells.
    this.#tellSignals();
  }

  /** Ends with an exit status. */
  async exit(status: number): Promise<void> {
    const bytes = Buffer.alloc(WORD_BYTES);
    bytes.writeUInt32LE(status & 0xff);
    await this.#send("exit", bytes);
  }

  /** Ends by leaving the work to the other side. */
  async yourself(): Promise<void> {
    await this.#send("yourself", Buffer.alloc(0));
  }

  close(): void {
    this.#socket.destroy();
  }

  async #send(kind: keyof typeof KINDS, bytes: Uint8Array): Promise<void> {
    const message = Buffer.allocUnsafe(2 * WORD_BYTES + bytes.length);
    message.writeUInt32LE(KINDS[kind]);
    message.writeUInt32LE(bytes.length, WORD_BYTES);
    message.set(bytes, 2 * WORD_BYTES);
    await new Promise<void>((resolve, reject) => {
      const gone = (): void => reject(Object.assign(new Error("the caller has left"), { code: "EPIPE" }));
      if (this.#socket.destroyed) return gone();
      this.#gone.signal.addEventListener("abort", gone, { once: true });
      this.#socket.write(message, (error) => {
        this.#gone.signal.removeEventListener("abort", gone);
        if (error === null || error === undefined) resolve();
        else gone();
      });
    });
  }

  async #word(): Promise<number | undefined> {
    const timer = setTimeout(() => this.#socket.destroy(), this.#timeoutMs);
    try {
      while (this.#unread.length < WORD_BYTES && !this.#socket.destroyed) {
        this.#more = Promise.withResolvers();
        await this.#more.promise;
      }
    } finally {
      clearTimeout(timer);
    }
    return this.#take();
  }

  #take(): number | undefined {
    if (this.#unread.length < WORD_BYTES) return undefined;
    const word = this.#unread.readUInt32LE(0);
    this.#unread = this.#unread.subarray(WORD_BYTES);
    return word;
  }

  #tellSignals(): void {
    if (this.#onSignal === undefined) return;
    for (let word = this.#take(); word !== undefined; word = this.#take()) this.#onSignal(word);
  }
}
