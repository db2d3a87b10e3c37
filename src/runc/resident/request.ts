/**
 * One verb, performed for a launcher: what it would have written and become is collected and sent as one answer. Whatever a
 * request holds (locks, the plan) is let go before the answer leaves.
 */
import type { KernelFacts } from "../../linux/host-facts.ts";
import { checkInherited, isOpenIn } from "../../linux/inherited-descriptors.ts";
import type { Native } from "../../linux/native.ts";
import { OwnProcessNeeded } from "../../base/own-process.ts";
import type { Caller, Successor } from "../caller.ts";
import type { ProcessIdentity } from "../../linux/process-state.ts";
import { type End, type Output, encodeAnswer } from "./answer.ts";
import type { Peer } from "./peer.ts";

const FIRST_PRESERVED = 3;

export interface Answer {
  readonly bytes: Uint8Array;
  /** Of the plan; to be closed by who sends it. */
  readonly plan: number | undefined;
  readonly isBecoming: boolean;
}

export class Request implements Caller {
  readonly pid: number;
  readonly kernel: KernelFacts;
  readonly #peer: Peer;
  readonly #connection: number;
  readonly #native: Native;
  readonly #ask: () => Promise<void>;
  readonly #outputs: Output[] = [];
  readonly #locks: number[] = [];
  #hasBegun: Promise<void> | undefined;
  #end: End | undefined;
  #plan: number | undefined;

  /** `connection`: its descriptor in the peer. `ask`: resolves when the peer wants us to begin, rejects when it has left. */
  constructor(
    peer: Peer,
    connection: number,
    { native, kernel }: { readonly native: Native; readonly kernel: KernelFacts },
    ask: () => Promise<void>,
  ) {
    this.kernel = kernel;
    this.pid = peer.identity.pid;
    this.#peer = peer;
    this.#connection = connection;
    this.#native = native;
    this.#ask = ask;
  }

  identity(): ProcessIdentity {
    return this.#peer.identity;
  }

  write(stream: 1 | 2, text: string): void {
    this.#outputs.push({ target: stream === 1 ? "output" : "errors", file: "", text });
  }

  append(file: string, text: string): void {
    this.#outputs.push({ target: "file", file, text });
  }

  ownProcess(why: string): void {
    throw new OwnProcessNeeded(why);
  }

  begin(): Promise<void> {
    return (this.#hasBegun ??= this.#ask());
  }

  assumeUmask(): void {
    process.umask(this.#peer.umask);
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      setTimeout(resolve, ms);
    });
  }

  checkInherited(descriptors: readonly number[]): void {
    checkInherited(descriptors, (fd) => fd !== this.#connection && isOpenIn(this.pid, fd));
  }

  become({ plan, argv, preserved }: Successor): number {
    const planFd = plan === undefined ? undefined : FIRST_PRESERVED + preserved.length;
    this.#end = { kind: "become", preserved: preserved.length, argv: argv(planFd) };
    if (plan !== undefined) this.#plan = this.#native.memfd("plan", plan);
    return 0;
  }

  /** The native part, with locks that end with the request. */
  native(): Native {
    return {
      ...this.#native,
      lockFile: (path) => {
        const lock = this.#native.lockFile(path);
        if (lock !== undefined) this.#locks.push(lock);
        return lock;
      },
    };
  }

  /** Undefined when it is too long to be said. */
  finish(code: number): Answer | undefined {
    this.#unlock();
    const bytes = encodeAnswer(this.#outputs, this.#end ?? { kind: "exit", code });
    if (bytes === undefined) return undefined;
    const plan = this.#plan;
    this.#plan = undefined;
    return { bytes, plan, isBecoming: this.#end !== undefined };
  }

  /** Lets go of all that is still held. */
  drop(): void {
    this.#unlock();
    if (this.#plan !== undefined) this.#native.closeFd(this.#plan);
    this.#plan = undefined;
  }

  #unlock(): void {
    for (const lock of this.#locks.splice(0)) this.#native.closeFd(lock);
  }
}
