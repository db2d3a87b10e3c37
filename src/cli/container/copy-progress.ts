/** What `cp` says on standard error: a line that changes while it copies, on a terminal, and one at the end. */
import { formatDecimalSize } from "../../base/units.ts";
import type { Cli } from "../cli.ts";
import { isTerminal } from "../terminal.ts";

const CLEAR_LINE = "\r\x1b[2K";
const BETWEEN_MS = 75;
const DIGITS = 3;

export class CopyProgress {
  readonly #cli: Cli;
  readonly #isQuiet: boolean;
  readonly #isShown: boolean;
  #bytes = 0;
  #shownAt = 0;

  private constructor(cli: Cli, isQuiet: boolean, isShown: boolean) {
    this.#cli = cli;
    this.#isQuiet = isQuiet;
    this.#isShown = isShown;
  }

  static async start(cli: Cli, isQuiet: boolean): Promise<CopyProgress> {
    return new CopyProgress(cli, isQuiet, !isQuiet && (await isTerminal(2)));
  }

  /** Passes bytes on; `header` as in "Copying to container - ". */
  async *counted(header: string, bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    this.#bytes = 0;
    try {
      for await (const chunk of bytes) {
        this.#bytes += chunk.length;
        if (this.#isShown) await this.#show(header);
        yield chunk;
      }
    } finally {
      if (this.#shownAt > 0) await this.#cli.err.write(CLEAR_LINE);
      this.#shownAt = 0;
    }
  }

  async #show(header: string): Promise<void> {
    if (performance.now() - this.#shownAt < BETWEEN_MS) return;
    this.#shownAt = performance.now();
    await this.#cli.err.write(`${CLEAR_LINE}${header}${formatDecimalSize(this.#bytes, DIGITS)}`);
  }

  async done(target: string): Promise<void> {
    if (this.#isQuiet) return;
    await this.#cli.warn(`Successfully copied ${formatDecimalSize(this.#bytes, DIGITS)} to ${target}`);
  }
}
