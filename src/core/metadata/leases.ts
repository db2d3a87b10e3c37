/**
 * Leases keep content and layers alive while work on them is in progress and nothing else refers to them yet. A lease
 * is in memory and belongs to one daemon run: after a crash the work it protected is gone too, and what the work left
 * behind is exactly what garbage collection should find.
 */
export interface Lease extends AsyncDisposable {
  /** Protects a blob, whether it exists yet or not. */
  holdBlob(digest: string): void;
  /** Protects a committed snapshot, whether it exists yet or not. */
  holdLayer(chainId: string): void;
}

export interface Leases {
  acquire(what: string): Lease;
  isBlobHeld(digest: string): boolean;
  isLayerHeld(chainId: string): boolean;
  /** What is being worked on, for the state dump. */
  active(): readonly string[];
}
