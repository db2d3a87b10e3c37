/**
 * Which numbers of a large range are taken, as runs without a gap between their first and last. The next free number is
 * found by bisection, whatever the size of the range: a /8 and a /64 cost what is taken in them, and one run is what a busy
 * network usually has.
 */
export class AddressRuns {
  readonly #firsts: bigint[] = [];
  readonly #lasts: bigint[] = [];

  has(value: bigint): boolean {
    return value <= (this.#lasts[this.#runAt(value)] ?? -1n);
  }

  /** False when it was taken already. */
  add(value: bigint): boolean {
    const at = this.#runAt(value);
    const last = this.#lasts[at] ?? -2n;
    if (value <= last) return false;
    const joinsLeft = last === value - 1n;
    const joinsRight = this.#firsts[at + 1] === value + 1n;
    if (joinsLeft && joinsRight) {
      this.#lasts.splice(at, 1);
      this.#firsts.splice(at + 1, 1);
    } else if (joinsLeft) this.#lasts[at] = value;
    else if (joinsRight) this.#firsts[at + 1] = value;
    else {
      this.#firsts.splice(at + 1, 0, value);
      this.#lasts.splice(at + 1, 0, value);
    }
    return true;
  }

  /** False when it was free already. */
  remove(value: bigint): boolean {
    const at = this.#runAt(value);
    const first = this.#firsts[at];
    const last = this.#lasts[at];
    if (first === undefined || last === undefined || value > last) return false;
    if (first === last) {
      this.#firsts.splice(at, 1);
      this.#lasts.splice(at, 1);
    } else if (value === first) this.#firsts[at] = value + 1n;
    else if (value === last) this.#lasts[at] = value - 1n;
    else {
      this.#firsts.splice(at + 1, 0, value + 1n);
      this.#lasts.splice(at, 0, value - 1n);
    }
    return true;
  }

  /** The lowest free number from `from` to `to`, both included. */
  firstFree(from: bigint, to: bigint): bigint | undefined {
    const last = this.#lasts[this.#runAt(from)] ?? -1n;
    const free = last < from ? from : last + 1n;
    return free > to ? undefined : free;
  }

  /** The run that begins at `value` or last before it; -1 = none does. */
  #runAt(value: bigint): number {
    let low = 0;
    let high = this.#firsts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#firsts[middle] ?? value) <= value) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
