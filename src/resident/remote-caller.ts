/** The process at the other end of a conversation, as a command sees it. */
import { constants } from "node:os";
import type { Sink } from "../base/bun-stdio.ts";
import { OwnProcessNeeded } from "../base/own-process.ts";
import type { Caller } from "../cli/caller.ts";
import { isTerminalOf } from "../linux/peer-process.ts";
import type { Conversation } from "./conversation.ts";

export class RemoteCaller implements Caller {
  readonly #conversation: Conversation;
  readonly #pid: number;
  #hasEntered = false;
  #isLeft = false;

  constructor(conversation: Conversation, pid: number) {
    this.#conversation = conversation;
    this.#pid = pid;
  }

  /** Whether the work was left to it. */
  get hasOwnProcess(): boolean {
    return this.#isLeft;
  }

  get gone(): AbortSignal {
    return this.#conversation.gone;
  }

  async enter(isShareable: () => Promise<boolean>): Promise<void> {
    if (!(await isShareable())) throw new OwnProcessNeeded("what it asks for, or nobody listens there");
    if (!(await this.#conversation.ready())) throw new OwnProcessNeeded("it has left");
    this.#hasEntered = true;
  }

  ownProcess(why: string): void {
    this.#isLeft = true;
    throw new OwnProcessNeeded(why);
  }

  async isTerminal(descriptor: 0 | 1 | 2): Promise<boolean> {
    return isTerminalOf(this.#pid, descriptor);
  }

  onSignals(signals: readonly NodeJS.Signals[], callback: (signal: NodeJS.Signals) => void): () => void {
    const names = new Map(signals.map((name) => [constants.signals[name], name]));
    this.#conversation.passSignals([...names.keys()], (number) => {
      const name = names.get(number);
      if (name !== undefined) callback(name);
    });
    return () => this.#conversation.passSignals([], () => {});
  }

  /** Its standard output or error. What would be written before the command has begun it writes itself. */
  sink(stream: "output" | "errors"): Sink {
    return {
      write: async (bytes) => {
        if (!this.#hasEntered || this.#isLeft) throw new OwnProcessNeeded("it tells something by itself");
        await this.#conversation.write(stream, typeof bytes === "string" ? Buffer.from(bytes) : bytes);
      },
    };
  }
}
