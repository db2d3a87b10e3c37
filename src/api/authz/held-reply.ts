/** An answer that goes out when somebody has looked at it. Streams are passed through: their end nobody could wait for. */
import type { Writable } from "node:stream";
import type { ByteStream, Headers, Reply } from "../reply.ts";

export interface HeldAnswer {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

export class HeldReply implements Reply {
  readonly #reply: Reply;
  readonly #look: (answer: HeldAnswer) => Promise<void>;
  #held: Promise<void> | undefined;

  /** `look` throws what is to be answered instead. */
  constructor(reply: Reply, look: (answer: HeldAnswer) => Promise<void>) {
    this.#reply = reply;
    this.#look = look;
  }

  /** Resolves when the answer, if one was held, is out. */
  async settled(): Promise<void> {
    await this.#held;
  }

  get signal(): AbortSignal {
    return this.#reply.signal;
  }

  get begun(): boolean {
    return this.#held !== undefined || this.#reply.begun;
  }

  get isAbandoned(): boolean {
    return this.#reply.isAbandoned;
  }

  get status(): number {
    return this.#reply.status;
  }

  json(status: number, value: unknown): void {
    this.jsonText(status, `${JSON.stringify(value)}\n`);
  }

  jsonText(status: number, text: string): void {
    const answer = { status, text, headers: { "Content-Type": "application/json" } };
    this.#hold(answer, () => this.#reply.jsonText(status, text));
  }

  text(status: number, text: string, headers: Headers = {}): void {
    this.#hold({ status, text, headers }, () => this.#reply.text(status, text, headers));
  }

  empty(status: number, headers: Headers = {}): void {
    this.#hold({ status, text: "", headers }, () => this.#reply.empty(status, headers));
  }

  stream(status: number, headers: Headers): Writable {
    return this.#reply.stream(status, headers);
  }

  hijack(contentType: string): ByteStream {
    return this.#reply.hijack(contentType);
  }

  webSocket(opcode: number): ByteStream {
    return this.#reply.webSocket(opcode);
  }

  /** What went wrong is no answer that could be forbidden. */
  error(error: unknown): void {
    this.#reply.error(error);
  }

  #hold(answer: HeldAnswer, send: () => void): void {
    this.#held = this.#sendWhenSeen(answer, send);
  }

  async #sendWhenSeen(answer: HeldAnswer, send: () => void): Promise<void> {
    try {
      await this.#look(answer);
      if (!this.#reply.begun) send();
    } catch (error) {
      this.#reply.error(error);
    }
  }
}
