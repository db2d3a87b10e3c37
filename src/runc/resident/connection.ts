/** The launcher's side of a conversation: a hello, and perhaps a "go"; native/include/resident.h. */
import type { Socket } from "node:net";
import { Words } from "../../linux/words.ts";

const HELLO = 0x31637267;
const GO = 0x6f67;
const HELLO_BYTES = 8;
const GO_BYTES = 4;

export class Connection {
  readonly #socket: Socket;
  readonly #words: Words;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#words = new Words(socket, { mostUnreadBytes: HELLO_BYTES + GO_BYTES });
  }

  /** Which of the launcher's descriptors this is; undefined when it says something else, nothing in time, or leaves. */
  async hello(): Promise<number | undefined> {
    const bytes = await this.#words.next(HELLO_BYTES);
    return bytes?.readUInt32LE(0) === HELLO ? bytes.readUInt32LE(4) : undefined;
  }

  /** Whether it still waits for us to begin. */
  async go(): Promise<boolean> {
    return (await this.#words.next(GO_BYTES))?.readUInt32LE(0) === GO;
  }

  close(): void {
    this.#socket.destroy();
  }
}
