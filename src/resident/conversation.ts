/** What a resident client and the command `gantry` say to each other, as bytes: native/include/client.h. */
import type { Socket } from "node:net";
import { Words } from "../linux/words.ts";

const HELLO = 0x31636c67;
const GO = 0x6f67;
const WORD_BYTES = 4;
const KINDS = { ready: 1, output: 2, errors: 3, signals: 4, exit: 5, yourself: 6 } as const;
const MAX_BYTES = 64 << 10;
/** Signals that nobody has taken note of yet: more would be nonsense. */
const MOST_UNREAD_BYTES = 1024;

export class Conversation {
  readonly #socket: Socket;
  readonly #words: Words;
  #onSignal: ((number: number) => void) | undefined;

  /** `timeoutMs` is what the other side has for each of its first two words. */
  constructor(socket: Socket, timeoutMs?: number) {
    this.#socket = socket;
    this.#words = new Words(socket, { mostUnreadBytes: MOST_UNREAD_BYTES, timeoutMs }, () =>
      this.#tellSignals(),
    );
  }

  /** Aborted when the other side has left, or said something that it cannot mean. */
  get gone(): AbortSignal {
    return this.#words.gone;
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
      this.gone.addEventListener("abort", gone, { once: true });
      this.#socket.write(message, (error) => {
        this.gone.removeEventListener("abort", gone);
        if (error === null || error === undefined) resolve();
        else gone();
      });
    });
  }

  async #word(): Promise<number | undefined> {
    return (await this.#words.next(WORD_BYTES))?.readUInt32LE(0);
  }

  #tellSignals(): void {
    if (this.#onSignal === undefined) return;
    for (;;) {
      const word = this.#words.take(WORD_BYTES);
      if (word === undefined) return;
      this.#onSignal(word.readUInt32LE(0));
    }
  }
}
