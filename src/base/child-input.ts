/** The standard input of a child that reads a stream at its own pace, and may end before it has read all of it. */
import type { Writable } from "node:stream";

export class ChildInput {
  readonly #stdin: Writable;
  #isGone = false;
  #onGone: (() => void) | undefined;

  constructor(stdin: Writable) {
    this.#stdin = stdin;
    stdin.on("error", () => {}); // EPIPE: the child ended early, and its exit status says why
  }

  /** Nobody reads any more. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** The child has ended. */
  gone(): void {
    this.#isGone = true;
    this.#onGone?.();
  }

  end(): void {
    this.#stdin.end();
  }

  /**
   * Writes a stream until it or the child ends, which is told the source; true = all of it. `inTime` has its say about each
   * chunk's waiting for the child. A chunk is its owner's again when the next one is asked for. Throws what the source throws.
   */
  async feed(
    bytes: AsyncIterable<Uint8Array>,
    inTime: (written: Promise<void>) => Promise<void> = (written) => written,
  ): Promise<boolean> {
    const source = bytes[Symbol.asyncIterator]();
    let isWhole = false;
    try {
      while (!this.#isGone) {
        const next = source.next();
        const step = await this.#whileAlive(next);
        if (step === undefined) {
          next.catch(() => {}); // nobody waits for it any more
          break;
        }
        if (step.done === true) {
          isWhole = true;
          break;
        }
        await inTime(this.#write(step.value));
      }
      return isWhole;
    } finally {
      /* Not awaited: a generator that is stuck in its own await would hold us up for ever. */
      if (!isWhole) source.return?.().catch(() => {});
    }
  }

  /** Resolves when the pipe has the bytes, or when the child is gone. */
  async #write(chunk: Uint8Array): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    // Without an error: after one the child is at its end, which is waited for.
    this.#stdin.write(chunk, (error) => {
      if (error === null || error === undefined) resolve();
    });
    await this.#whileAlive(promise);
  }

  /** Resolves with `undefined` as soon as the child is gone, whatever `work` still waits for. */
  async #whileAlive<T>(work: Promise<T>): Promise<T | undefined> {
    if (this.#isGone) return undefined;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#onGone = () => resolve(undefined);
    try {
      return await Promise.race([work, promise]);
    } finally {
      this.#onGone = undefined;
    }
  }
}
