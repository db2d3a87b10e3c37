/**
 * Paths of the host that users name. What is there may be a file system whose server is gone, and who asks it waits in the kernel
 * for ever: so each call has a deadline, and a thread of its own instead of one of the few in the runtime's pool, by which all
 * files of the daemon are read. Nobody asks again about a path that has not answered yet.
 */
import { withDeadline } from "../base/deadline.ts";
import { isCategory } from "../base/errors.ts";
import type { Native } from "./native.ts";

const ANSWER_MS = 10_000;
/** The part of it that a path gets which was late before. */
const IMPATIENCE = 10;

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;

export interface HostPaths {
  /**
   * What a path leads to; with `makes` a directory is made, with those above it, when nothing is there. Throws the kernel's error
   * (`code`, and `syscall`: "stat" or "mkdir"), or `unavailable` when there is no answer.
   */
  look(path: string, makes: boolean): Promise<{ readonly isDirectory: boolean }>;
}

export class NativeHostPaths implements HostPaths {
  readonly #native: Pick<Native, "hostPath">;
  /** What has not answered in time, and may yet. */
  readonly #silent = new Map<string, Promise<unknown>>();

  readonly #answerMs: number;

  constructor(native: Pick<Native, "hostPath">, answerMs = ANSWER_MS) {
    this.#native = native;
    this.#answerMs = answerMs;
  }

  async look(path: string, makes: boolean): Promise<{ readonly isDirectory: boolean }> {
    const what = `answer of the file system of "${path}"`;
    const silent = this.#silent.get(path);
    if (silent !== undefined) await withDeadline(what, this.#answerMs / IMPATIENCE, silent);
    const looking = this.#native.hostPath(path, makes);
    try {
      const mode = await withDeadline(what, this.#answerMs, looking);
      return { isDirectory: (mode & S_IFMT) === S_IFDIR };
    } catch (error) {
      if (isCategory(error, "unavailable")) this.#remember(path, looking);
      throw error;
    }
  }

  #remember(path: string, looking: Promise<unknown>): void {
    const forget = (): void => {
      if (this.#silent.get(path) === answered) this.#silent.delete(path);
    };
    const answered: Promise<unknown> = looking.then(forget, forget);
    this.#silent.set(path, answered);
  }
}
