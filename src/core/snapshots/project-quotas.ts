/**
 * Limits of what directories may hold, kept by the file system: each such directory is a project of its own, and so is all that is
 * made in it. Which numbers are taken the file system knows best: what it counts no file for is free. So nothing is remembered,
 * what is still being deleted and other engines on the same file system count, too, and a limit that a crash left behind is
 * overwritten by the next who gets the number.
 */
import { errnoOf, fail } from "../../base/errors.ts";
import type { Native } from "../../linux/native.ts";

export type QuotaNative = Pick<
  Native,
  "enforcesProjectLimits" | "projectInodes" | "limitProject" | "projectOf" | "joinProject"
>;

/** Far from the small numbers that administrators give. */
const FIRST = 2 ** 30;
const LAST = 2 ** 31 - 1;
/** Numbers that may be taken before one gives up: more than containers fit on a host. */
const MAX_TAKEN = 100_000;

/** Of what is no directory (any more), and of file systems that know nothing of projects. */
const WITHOUT_PROJECT: ReadonlySet<string | undefined> = new Set(
  "ENOENT ENOTDIR ELOOP ENOTTY EOPNOTSUPP ENOSYS EINVAL".split(" "),
);

export class ProjectQuotas {
  readonly #parent: string;
  readonly #native: QuotaNative;
  #next = FIRST;

  /** The directories that get limits are made in `parent`. */
  constructor(parent: string, native: QuotaNative) {
    this.#parent = parent;
    this.#native = native;
  }

  /** Asked anew each time: who mounts may change it. */
  get areEnforced(): boolean {
    return this.#native.enforcesProjectLimits(this.#parent);
  }

  /** Limits the new, empty directory `path`. */
  limit(path: string, bytes: number): void {
    const project = this.#free();
    this.#native.limitProject(this.#parent, project, bytes);
    try {
      this.#native.joinProject(path, project);
    } catch (error) {
      this.#native.limitProject(this.#parent, project, 0);
      throw error;
    }
  }

  /**
   * Prepares a directory for its move to another place; what this returns lifts its limit when it is gone from here. A directory
   * that inherits a project takes in no other's, but only the one that is moved is asked.
   */
  release(path: string): () => void {
    const project = this.#projectOf(path);
    const around = this.#projectOf(this.#parent);
    // Whoever limits the data root as a whole has that project everywhere.
    if (project === around || project < FIRST || project > LAST) return () => {};
    if (around !== 0) this.#native.joinProject(path, around);
    return () => this.#native.limitProject(this.#parent, project, 0);
  }

  #projectOf(path: string): number {
    try {
      return this.#native.projectOf(path);
    } catch (error) {
      if (WITHOUT_PROJECT.has(errnoOf(error))) return 0;
      throw error;
    }
  }

  #free(): number {
    for (let tries = 0; tries < MAX_TAKEN; tries++) {
      const project = this.#next;
      this.#next = project === LAST ? FIRST : project + 1;
      if (this.#native.projectInodes(this.#parent, project) === 0) return project;
    }
    throw fail("unavailable", "the file system has no number left for a project quota");
  }
}
