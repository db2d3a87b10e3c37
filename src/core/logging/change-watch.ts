/** Wakes a follower when something happens in a log's directory. */
import { type FSWatcher, watch } from "node:fs";
import { dirname } from "node:path";

/** inotify may be exhausted or drop events: look by ourselves, at times. */
const LOOK_MS = 1_000;
const LOOK_WITHOUT_WATCH_MS = 100;

export class ChangeWatch implements Disposable {
  readonly #watcher: FSWatcher | undefined;
  #hasChanged = false;
  #wake: (() => void) | undefined;

  constructor(path: string) {
    this.#watcher = this.#watch(dirname(path));
  }

  /** Ends the present wait, or the next one at once. */
  readonly notify = (): void => {
    this.#hasChanged = true;
    this.#wake?.();
  };

  /** Returns when something has changed since the last call, or when it is time to look anyway: `lookMs` is the longest wait. */
  async wait(lookMs = LOOK_MS): Promise<void> {
    if (!this.#hasChanged) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const timer = setTimeout(resolve, this.#watcher === undefined ? LOOK_WITHOUT_WATCH_MS : lookMs);
      await promise;
      clearTimeout(timer);
      this.#wake = undefined;
    }
    this.#hasChanged = false;
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
  }

  #watch(directory: string): FSWatcher | undefined {
    try {
      const watcher = watch(directory, { persistent: false }, this.notify);
      watcher.on("error", () => watcher.close());
      return watcher;
    } catch {
      return undefined;
    }
  }
}
