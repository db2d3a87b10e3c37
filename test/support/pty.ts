/** A program at a terminal, driven as a person would: type, wait for what appears, resize. */
import { until } from "./until.ts";

export class Terminal {
  #seen = "";
  readonly #process: Bun.Subprocess;
  readonly #terminal: Bun.Terminal;

  constructor(
    command: readonly string[],
    size: { readonly rows: number; readonly cols: number } = { rows: 24, cols: 80 },
  ) {
    const decoder = new TextDecoder();
    this.#terminal = new Bun.Terminal({
      rows: size.rows,
      cols: size.cols,
      data: (_terminal, bytes) => {
        this.#seen += decoder.decode(bytes, { stream: true });
      },
    });
    this.#process = Bun.spawn([...command], { terminal: this.#terminal });
  }

  /** Everything shown so far. */
  get seen(): string {
    return this.#seen;
  }

  type(text: string): void {
    this.#terminal.write(text);
  }

  resize(rows: number, cols: number): void {
    this.#terminal.resize(cols, rows);
    // The kernel tells the terminal's foreground group; the program is no session leader here, so it is told by hand.
    this.#process.kill("SIGWINCH");
  }

  async shows(text: string): Promise<void> {
    try {
      await until(`"${text}" on the terminal`, () => this.#seen.includes(text));
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : String(error)}; it shows:\n${this.#seen}`, {
        cause: error,
      });
    }
  }

  /** Waits for the program's end; kills it after `timeoutMs`. */
  async ends(timeoutMs = 10_000): Promise<number> {
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), timeoutMs);
    const code = await this.#process.exited;
    clearTimeout(timer);
    this.#terminal.close();
    return code;
  }
}
