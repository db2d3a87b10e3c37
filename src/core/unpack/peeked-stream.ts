/** A source with its first bytes looked at. Ending an iteration over it does not end the source: drain() does. */
export class PeekedStream implements AsyncIterable<Uint8Array> {
  readonly #source: AsyncIterator<Uint8Array>;
  #head: Uint8Array[] = [];
  #ended = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The first bytes, at least `length` unless the stream is shorter. To be called before iterating. */
  async peek(length: number): Promise<Buffer> {
    let head = Buffer.concat(this.#head);
    while (head.length < length && !this.#ended) {
      const bytes = await this.#next();
      if (bytes === undefined) break;
      head = Buffer.concat([head, bytes]);
    }
    this.#head = head.length > 0 ? [head] : [];
    return head;
  }

  /** Iterators share one position, and none of them ends the source. */
  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return {
      next: async () => {
        const value = this.#head.shift() ?? (await this.#next());
        return value === undefined ? { done: true, value } : { done: false, value };
      },
    };
  }

  /** Reads what is left, at most `maxBytes` of it, and then ends the source. */
  async drain(maxBytes: number): Promise<void> {
    for (let left = maxBytes; left > 0; ) {
      const bytes = this.#head.shift() ?? (await this.#next());
      if (bytes === undefined) return;
      left -= bytes.length;
    }
    await this.end();
  }

  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#source.return?.();
  }

  async #next(): Promise<Uint8Array | undefined> {
    if (this.#ended) return undefined;
    const next = await this.#source.next();
    if (next.done !== true) return next.value;
    this.#ended = true;
    return undefined;
  }
}
