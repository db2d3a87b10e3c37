/**
 * Wakes a follower when something happens to a log. However many follow it, one watch of its directory and one timer see to it:
 * a follower that waits costs nothing but its memory.
 */
import { type FSWatcher, watch } from "node:fs";
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoOf } from "../../base/errors.ts";

/** inotify may be exhausted or drop events: look by ourselves, at times. */
const LOOK_MS = 1_000;
const LOOK_WITHOUT_WATCH_MS = 100;

export class ChangeWatch implements Disposable {
  readonly #log: WatchedLog;
  #hasChanged = false;
  #wake: (() => void) | undefined;

  constructor(path: string) {
    this.#log = WatchedLog.of(path);
    this.#log.add(this.notify);
  }

  /** Ends the present wait, or the next one at once. */
  readonly notify = (): void => {
    this.#hasChanged = true;
    this.#wake?.();
  };

  /** Returns when something has changed since the last call, or after `maxMs` anyway, if that is given. */
  async wait(maxMs?: number): Promise<void> {
    if (!this.#hasChanged) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const timer = maxMs === undefined ? undefined : setTimeout(resolve, maxMs);
      await promise;
      clearTimeout(timer);
      this.#wake = undefined;
    }
    this.#hasChanged = false;
  }

  [Symbol.dispose](): void {
    this.#log.delete(this.notify);
  }
}

/** What all followers of a log share, from the first one to the last. */
class WatchedLog {
  static readonly #all = new Map<string, WatchedLog>();
  readonly #path: string;
  readonly #followers = new Set<() => void>();
  readonly #watcher: FSWatcher | undefined;
  readonly #timer: NodeJS.Timeout;
  #seen = "";
  #isLooking = false;

  static of(path: string): WatchedLog {
    const known = WatchedLog.#all.get(path);
    if (known !== undefined) return known;
    const fresh = new WatchedLog(path);
    WatchedLog.#all.set(path, fresh);
    return fresh;
  }

  private constructor(path: string) {
    this.#path = path;
    this.#watcher = this.#watch();
    const everyMs = this.#watcher === undefined ? LOOK_WITHOUT_WATCH_MS : LOOK_MS;
    this.#timer = setInterval(() => void this.#look(), everyMs);
    this.#timer.unref();
  }

  add(follower: () => void): void {
    this.#followers.add(follower);
  }

  delete(follower: () => void): void {
    this.#followers.delete(follower);
    if (this.#followers.size > 0) return;
    WatchedLog.#all.delete(this.#path);
    clearInterval(this.#timer);
    this.#watcher?.close();
  }

  readonly #tell = (): void => {
    for (const follower of this.#followers) follower();
  };

  #watch(): FSWatcher | undefined {
    try {
      const watcher = watch(dirname(this.#path), { persistent: false }, this.#tell);
      watcher.on("error", () => watcher.close());
      return watcher;
    } catch {
      return undefined;
    }
  }

  /** Tells when the log is another file, or another part of it, than at the last look. */
  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const seen = await factsOf(this.#path);
    this.#isLooking = false;
    if (seen === this.#seen) return;
    this.#seen = seen;
    this.#tell();
  }
}

async function factsOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs } = await stat(path, { bigint: true });
    return `${ino} ${size} ${mtimeNs}`;
  } catch (error) {
    return errnoOf(error) ?? "unknown"; // followers find out themselves
  }
}
