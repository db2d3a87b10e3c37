/**
 * A file that is there to be deleted: on a full disk it is the room in which the rows are written that say what goes. Made
 * anew when there is room again; on crash it is there, in part or whole, or not, and either will do.
 */
import { closeSync, existsSync, openSync, rmSync, statSync, writeSync } from "node:fs";

/** Between two attempts to have it again. */
const RETRY_MS = 1_000;

export class DiskReserve {
  readonly #path: string;
  readonly #sizeBytes: number;
  #isHeld = false;
  #triedAtMs = Number.NEGATIVE_INFINITY;

  constructor(path: string, sizeBytes: number) {
    this.#path = path;
    this.#sizeBytes = sizeBytes;
    this.#isHeld = existsSync(path) && statSync(path).size >= sizeBytes;
  }

  /** Whether there is more room now. */
  release(): boolean {
    if (!this.#isHeld) return false;
    this.#isHeld = false;
    this.#triedAtMs = performance.now();
    rmSync(this.#path, { force: true });
    return true;
  }

  /** Without it, from time to time: tries to have it again. A disk that is still full changes nothing. */
  restore(): void {
    if (this.#isHeld || performance.now() - this.#triedAtMs < RETRY_MS) return;
    this.#triedAtMs = performance.now();
    try {
      const file = openSync(this.#path, "w", 0o600);
      try {
        const block = Buffer.alloc(64 << 10);
        for (let at = 0; at < this.#sizeBytes; ) at += writeSync(file, block, 0, block.length, at);
      } finally {
        closeSync(file);
      }
      this.#isHeld = true;
    } catch {
      // Its room is somebody else's now; the next attempt may be luckier.
      rmSync(this.#path, { force: true });
    }
  }
}
