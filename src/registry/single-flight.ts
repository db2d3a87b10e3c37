/** Whoever asks for a key while somebody else is being answered gets that same answer. */
export class SingleFlight<T> {
  readonly #going = new Map<string, Promise<T>>();

  run(key: string, work: () => Promise<T>): Promise<T> {
    const going = this.#going.get(key);
    if (going !== undefined) return going;
    const mine = work().finally(() => this.#going.delete(key));
    this.#going.set(key, mine);
    return mine;
  }
}
