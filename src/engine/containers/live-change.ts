/**
 * A part of an update that a running container feels, prepared: what it needs is at hand, and nobody has noticed anything yet.
 * The order is: `write` all, `enforce` all, `settle`; and where that fails `write` as it was, `undo`, `enforce`.
 */
export interface LiveChange {
  /** In the transaction that writes the container's own row; synchronous, may be run twice. */
  readonly write: (which: "before" | "after") => void;
  /** Has the kernel do as is written. Nothing to do is fine, and twice is fine. */
  readonly enforce: () => Promise<void>;
  /** What was there before is not needed any more. */
  readonly settle: () => void;
  /** What was prepared is not needed any more. */
  readonly undo: () => Promise<void>;
}
