/** Out-of-memory kills in a cgroup, as they happen: for `events`. */
import { type FSWatcher, watch } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../base/errors.ts";
import { parseCounters, readControlFile } from "./cgroup-file.ts";

/** v1 tells nobody but holders of an eventfd; kernels since 4.13 count in the file, too, so it is read again and again. */
const POLL_V1_MS = 200;
/** v2's files announce changes (IN_MODIFY); this is for one that was lost. */
const POLL_V2_MS = 5000;

export interface OomOptions {
  readonly signal: AbortSignal;
  readonly pollMs?: number;
}

/**
 * The number of processes killed so far, each time that it has grown since this began. Ends when the cgroup is gone, or
 * (v2) has no process any more, or `signal` is aborted.
 */
export async function* oomKills(
  dirs: readonly string[],
  { signal, pollMs }: OomOptions,
): AsyncGenerator<bigint, void, undefined> {
  const isV2 = (await readControlFile(dirs, "cgroup.controllers")) !== undefined;
  const file = isV2 ? "memory.events" : "memory.oom_control";
  const bell = new Bell();
  const watched = isV2 ? ["memory.events", "cgroup.events"].map((name) => join(dirs[0] ?? "", name)) : [];
  const watchers = watched.flatMap((path) => startWatch(path, bell));
  try {
    let last = await killsIn(dirs, file);
    while (last !== undefined && !signal.aborted) {
      await bell.wait(pollMs ?? (isV2 ? POLL_V2_MS : POLL_V1_MS), signal);
      const now = await killsIn(dirs, file);
      if (now === undefined) return;
      if (now > last) yield now;
      last = now;
      if (isV2 && /^populated 0$/m.test((await readControlFile(dirs, "cgroup.events")) ?? "")) return;
    }
  } finally {
    for (const watcher of watchers) watcher.close();
  }
}

/** Undefined when there is no such file any more. */
async function killsIn(dirs: readonly string[], file: string): Promise<bigint | undefined> {
  const text = await readControlFile(dirs, file);
  return text === undefined ? undefined : (parseCounters(text).get("oom_kill") ?? 0n);
}

/** Without a watch (no file yet, or no inotify instance left) there is still the clock. */
function startWatch(path: string, bell: Bell): FSWatcher[] {
  try {
    const watcher = watch(path, () => bell.ring());
    watcher.on("error", () => bell.ring());
    return [watcher];
  } catch (error) {
    if (["ENOENT", "ENOSPC", "EMFILE"].includes(errnoOf(error) ?? "")) return [];
    throw error;
  }
}

/** What is rung while nobody waits is heard by the next who does. */
class Bell {
  #isRung = false;
  #listener: (() => void) | undefined;

  ring(): void {
    this.#isRung = true;
    this.#listener?.();
  }

  async wait(timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (!this.#isRung && !signal.aborted) {
      const { promise, resolve: settle } = Promise.withResolvers<void>();
      const resolve = (): void => settle();
      const timer = setTimeout(resolve, timeoutMs);
      this.#listener = resolve;
      signal.addEventListener("abort", resolve);
      await promise;
      signal.removeEventListener("abort", resolve);
      clearTimeout(timer);
      this.#listener = undefined;
    }
    this.#isRung = false;
  }
}
