/** At most `perSecond` of something in the long run, and twice as many at once. */
export class Rate {
  readonly #perMs: number;
  readonly #most: number;
  #left: number;
  #last: number;

  constructor(perSecond: number, nowMs: number) {
    this.#perMs = perSecond / 1000;
    this.#most = perSecond * 2;
    this.#left = this.#most;
    this.#last = nowMs;
  }

  /** Whether one more is within the rate; then it counts. */
  take(nowMs: number): boolean {
    if (nowMs > this.#last) {
      this.#left = Math.min(this.#most, this.#left + (nowMs - this.#last) * this.#perMs);
      this.#last = nowMs;
    }
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
