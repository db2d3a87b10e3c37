/**
 * Deleting trees without making anybody wait: what is to go is renamed into the trash directory, which takes
 * microseconds and makes it gone for everybody, and deleted from there in the background. A start deletes what it finds.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, messageOf } from "../../base/errors.ts";
import { Limiter } from "../../base/limiter.ts";
import type { Logger } from "../../base/log.ts";

/** Deletions at a time. More would only take the disk and the cores from containers that start. */
const CONCURRENCY = 2;

export class Trash {
  readonly #directory: string;
  readonly #removeTree: (path: string) => Promise<void>;
  readonly #log: Logger;
  readonly #limiter = new Limiter(CONCURRENCY);
  readonly #running = new Set<Promise<void>>();

  constructor(directory: string, removeTree: (path: string) => Promise<void>, log: Logger) {
    this.#directory = directory;
    this.#removeTree = removeTree;
    this.#log = log;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(directory)) this.#delete(join(directory, name));
  }

  /** Takes a directory of the same filesystem; one that is gone already is fine. */
  take(path: string): void {
    const target = join(this.#directory, randomBytes(8).toString("hex"));
    try {
      renameSync(path, target);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return;
      throw error;
    }
    this.#delete(target);
  }

  /** Resolves when nothing is being deleted any more. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #delete(path: string): void {
    const run = this.#limiter
      .run(() => this.#removeTree(path))
      .catch((error: unknown) => {
        this.#log.error("cannot delete a removed snapshot, the next start will try again", {
          path,
          error: messageOf(error),
        });
      })
      .finally(() => this.#running.delete(run));
    this.#running.add(run);
  }
}
