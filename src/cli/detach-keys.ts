/** The key sequence that leaves a container running and ends the client: "ctrl-p,ctrl-q". */

export const DEFAULT_DETACH_KEYS: readonly number[] = [16, 17];

const CONTROL_CHARACTERS = "@abcdefghijklmnopqrstuvwxyz[\\]^_";

/** The bytes of a sequence, undefined when it is no valid one. */
export function parseDetachKeys(text: string): readonly number[] | undefined {
  if (text === "") return DEFAULT_DETACH_KEYS;
  const bytes: number[] = [];
  for (const key of text.split(",")) {
    if (key.length === 1) {
      bytes.push(key.charCodeAt(0));
      continue;
    }
    const control = /^ctrl-(.)$/.exec(key.toLowerCase())?.[1];
    const at = control === undefined ? -1 : CONTROL_CHARACTERS.indexOf(control);
    if (at < 0) return undefined;
    bytes.push(at);
  }
  return bytes;
}

/** Looks for the sequence in what is typed. Bytes that may begin it are held back until that is decided. */
export class DetachFilter {
  readonly #keys: readonly number[];
  #matched = 0;

  constructor(keys: readonly number[]) {
    this.#keys = keys;
  }

  /** What to pass on, and whether the sequence is complete. */
  feed(chunk: Uint8Array): { readonly pass: Uint8Array; readonly detached: boolean } {
    const pass: number[] = [];
    for (const byte of chunk) {
      if (byte === this.#keys[this.#matched]) {
        this.#matched++;
        if (this.#matched === this.#keys.length) return { pass: Uint8Array.from(pass), detached: true };
        continue;
      }
      pass.push(...this.#keys.slice(0, this.#matched));
      this.#matched = 0;
      if (byte === this.#keys[0] && this.#keys.length > 1) this.#matched = 1;
      else pass.push(byte);
    }
    return { pass: Uint8Array.from(pass), detached: false };
  }
}
