/** Leases in memory: see the contract for why that is enough. Counted, because two pulls may need the same layer. */
import type { Lease, Leases } from "./leases.ts";

export class MemoryLeases implements Leases {
  readonly #active = new Set<HeldLease>();
  readonly #blobs = new Map<string, number>();
  readonly #layers = new Map<string, number>();

  acquire(what: string): Lease {
    const lease = new HeldLease(what, this.#blobs, this.#layers, () => this.#active.delete(lease));
    this.#active.add(lease);
    return lease;
  }

  isBlobHeld(digest: string): boolean {
    return this.#blobs.has(digest);
  }

  isLayerHeld(chainId: string): boolean {
    return this.#layers.has(chainId);
  }

  active(): readonly string[] {
    return [...this.#active].map((lease) => lease.what);
  }
}

class HeldLease implements Lease {
  readonly what: string;
  readonly #blobs: Hold;
  readonly #layers: Hold;
  readonly #forget: () => void;

  constructor(what: string, blobs: Map<string, number>, layers: Map<string, number>, forget: () => void) {
    this.what = what;
    this.#blobs = new Hold(blobs);
    this.#layers = new Hold(layers);
    this.#forget = forget;
  }

  holdBlob(digest: string): void {
    this.#blobs.add(digest);
  }

  holdLayer(chainId: string): void {
    this.#layers.add(chainId);
  }

  /** Twice is fine. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#blobs.release();
    this.#layers.release();
    this.#forget();
    return Promise.resolve();
  }
}

/** One lease's share in the counts of all. */
class Hold {
  readonly #counts: Map<string, number>;
  readonly #mine = new Set<string>();

  constructor(counts: Map<string, number>) {
    this.#counts = counts;
  }

  add(key: string): void {
    if (this.#mine.has(key)) return;
    this.#mine.add(key);
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  release(): void {
    for (const key of this.#mine) {
      const left = (this.#counts.get(key) ?? 0) - 1;
      if (left > 0) this.#counts.set(key, left);
      else this.#counts.delete(key);
    }
    this.#mine.clear();
  }
}
