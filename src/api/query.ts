/** Query parameters with Docker's leniency: any value but "", "0", "no", "false", "none" is true. */
import { fail } from "../base/errors.ts";

export class Query {
  readonly #values: URLSearchParams;

  readonly #onRead: ((name: string) => void) | undefined;

  /** `onRead` is told every name that is asked for. */
  constructor(text: string, onRead?: (name: string) => void) {
    this.#values = new URLSearchParams(text);
    this.#onRead = onRead;
  }

  str(name: string): string {
    this.#onRead?.(name);
    return this.#values.get(name) ?? "";
  }

  all(name: string): readonly string[] {
    this.#onRead?.(name);
    return this.#values.getAll(name);
  }

  has(name: string): boolean {
    this.#onRead?.(name);
    return this.#values.has(name);
  }

  bool(name: string, fallback = false): boolean {
    this.#onRead?.(name);
    const text = this.#values.get(name);
    if (text === null) return fallback;
    return !["", "0", "no", "false", "none"].includes(text.trim().toLowerCase());
  }

  /** A plain decimal integer; undefined when absent or empty. Throws `invalid_argument`. */
  int(name: string): number | undefined {
    const text = this.str(name);
    if (text === "") return undefined;
    const value = Number(text);
    if (!/^[+-]?\d+$/.test(text) || !Number.isSafeInteger(value))
      throw fail("invalid_argument", `invalid value "${text}" of query parameter "${name}": not an integer`);
    return value;
  }
}
