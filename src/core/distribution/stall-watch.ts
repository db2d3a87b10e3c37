/**
 * Notices when the other side gives up without saying so: a head that never comes, a body that trickles. Only waiting counts;
 * while the caller is busy with what came, time stands still.
 */
import { RegistryError } from "./registry-error.ts";
import type { Limits } from "./registry-options.ts";

export class StallWatch {
  readonly #limits: Pick<Limits, "stallMs" | "stallBytes">;
  readonly #onStall: (error: RegistryError) => void;
  #timer: NodeJS.Timeout | undefined;
  #leftMs: number;
  #bytes = 0;
  #since = 0;

  constructor(limits: Pick<Limits, "stallMs" | "stallBytes">, onStall: (error: RegistryError) => void) {
    this.#limits = limits;
    this.#onStall = onStall;
    this.#leftMs = limits.stallMs;
  }

  expectAnswer(ms: number): void {
    this.#arm(ms, "timeout awaiting response headers");
  }

  /** The wait for bytes begins or goes on. */
  expectProgress(): void {
    this.#since = performance.now();
    this.#arm(this.#leftMs, "the transfer has stalled");
  }

  /** So many bytes came or went: until the next expectProgress() nobody waits. */
  progress(bytes: number): void {
    this.stop();
    this.#bytes += bytes;
    this.#leftMs -= performance.now() - this.#since;
    if (this.#bytes < this.#limits.stallBytes) return;
    this.#bytes = 0;
    this.#leftMs = this.#limits.stallMs;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #arm(ms: number, why: string): void {
    this.stop();
    this.#timer = setTimeout(
      () => this.#onStall(new RegistryError("unavailable", why, { mayRetry: true })),
      Math.max(0, ms),
    );
  }
}
