/**
 * Detach keys: a byte sequence in a terminal's input that ends the attachment and leaves the process alone. Docker's
 * default is ctrl-p ctrl-q. As with Docker only terminals are watched; other input is passed on untouched.
 */
import { fail } from "../../base/errors.ts";

const DEFAULT_KEYS = Buffer.from([16, 17]);

/** "ctrl-a,x" → bytes; "" → the default. Throws `invalid_argument`. */
export function parseDetachKeys(text: string): Buffer {
  if (text === "") return DEFAULT_KEYS;
  const bytes = text.split(",").map((key) => {
    const control = /^ctrl-([a-z@[\\\]^_])$/.exec(key)?.[1];
    if (control !== undefined) return control === "@" ? 0 : control.toUpperCase().charCodeAt(0) - 64;
    if (/^[\x20-\x7e]$/.test(key)) return key.charCodeAt(0);
    throw fail("invalid_argument", `Invalid detach keys (${text.slice(0, 100)}) provided`);
  });
  return Buffer.from(bytes);
}

/** Finds the sequence in a stream that arrives in pieces. What could be its beginning is held back until it is decided. */
export class DetachScanner {
  readonly #keys: Buffer;
  #held = 0;

  constructor(keys: Buffer) {
    this.#keys = keys;
  }

  /** The bytes to pass on; with `detached` everything after the sequence is dropped. */
  push(chunk: Buffer): { readonly bytes: Buffer; readonly detached: boolean } {
    const out: number[] = [];
    for (const byte of chunk) {
      while (byte !== this.#keys[this.#held] && this.#held > 0) this.#releaseOne(out);
      if (byte !== this.#keys[this.#held]) out.push(byte);
      else if (++this.#held === this.#keys.length) return { bytes: Buffer.from(out), detached: true };
    }
    return { bytes: Buffer.from(out), detached: false };
  }

  /** What was held back when the input ended. */
  rest(): Buffer {
    const rest = Buffer.from(this.#keys.subarray(0, this.#held));
    this.#held = 0;
    return rest;
  }

  /** Gives up the oldest held byte and keeps the longest remainder that still begins the sequence. */
  #releaseOne(out: number[]): void {
    const held = this.#keys.subarray(0, this.#held);
    for (let drop = 1; drop <= held.length; drop++) {
      if (held.subarray(drop).equals(this.#keys.subarray(0, held.length - drop))) {
        out.push(...held.subarray(0, drop));
        this.#held = held.length - drop;
        return;
      }
    }
  }
}
