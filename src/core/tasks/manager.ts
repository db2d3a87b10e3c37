/** The tasks of this daemon: the implementation of `Tasks` over one shim per container. */
import { withDeadline } from "../../base/deadline.ts";
import { fail, messageOf } from "../../base/errors.ts";
import { KeyedLock } from "../../base/keyed-lock.ts";
import { clearCgroups, giveUp, settleLeftover } from "./leftovers.ts";
import { findTasks, reattach } from "./reconnect.ts";
import type { ShimTask } from "./shim-task.ts";
import { type StartDeps, startTask } from "./start.ts";
import type { RunOptions, Task, Tasks } from "./tasks.ts";

/** For a shim to remove its cgroups and hand out the last output after its process has ended. */
const SHIM_END_TIMEOUT_MS = 5_000;
/** For one that has another runtime delete the container: what foreign-plan.ts gives it for that, and some. */
const FOREIGN_END_TIMEOUT_MS = 25_000;

export class TaskManager implements Tasks {
  readonly #deps: StartDeps;
  readonly #tasks = new Map<string, ShimTask>();
  readonly #lock = new KeyedLock();

  constructor(deps: StartDeps) {
    this.#deps = deps;
  }

  run(options: RunOptions, signal: AbortSignal): Promise<Task> {
    const { id } = options;
    return this.#lock.run(id, async () => {
      await this.#makeRoom(id);
      const task = await startTask(this.#deps, options, signal);
      this.#keep(task);
      this.#deps.log.debug("task runs", { id, pid: task.pid });
      return task;
    });
  }

  get(id: string): Task | undefined {
    return this.#tasks.get(id);
  }

  async reconnect(ids: readonly string[]): Promise<ReadonlyMap<string, Task>> {
    const found = await findTasks(this.#deps, ids);
    for (const task of found.values()) this.#keep(task);
    return found;
  }

  remove(id: string): Promise<void> {
    return this.#lock.run(id, () => this.#remove(id));
  }

  async #remove(id: string): Promise<void> {
    const task = this.#tasks.get(id);
    if (task !== undefined) {
      if (!task.isEnded) throw fail("conflict", `task "${id}" is running`);
      await this.#shimEnded(task);
      // A shim that was killed after it had told the end has not removed them all.
      if (task.foreign !== undefined || this.#deps.cgroups.isLeft(task.cgroupDirs()))
        await clearCgroups(this.#deps, id);
    }
    await this.#deps.directories.remove(id);
    this.#tasks.delete(id);
  }

  /** What an ended task, or a start that was cut short, has left under this id must not be in the new one's way. */
  async #makeRoom(id: string): Promise<void> {
    const isKnown = this.#tasks.has(id);
    if (!isKnown && !(await this.#deps.directories.exists(id))) return;
    if (isKnown) await this.#remove(id);
    else await giveUp(this.#deps, id);
  }

  /** A new task's cgroups have the names of the old one's, so the old shim must be through with them. */
  async #shimEnded(task: ShimTask): Promise<void> {
    try {
      const timeoutMs = task.foreign === undefined ? SHIM_END_TIMEOUT_MS : FOREIGN_END_TIMEOUT_MS;
      await withDeadline(`end of the shim of "${task.id}"`, timeoutMs, task.shimGone);
    } catch (error) {
      this.#deps.log.warn("shim lives on after its task", { id: task.id, error: messageOf(error) });
    }
  }

  #keep(task: ShimTask): void {
    this.#tasks.set(task.id, task);
    void task.shimGone.then(() => this.#onShimGone(task));
  }

  #onShimGone(task: ShimTask): void {
    if (!task.isEnded) void this.#recover(task);
  }

  /** The connection ended without an exit: most likely the shim was killed, but only a new connection can tell. */
  async #recover(task: ShimTask): Promise<void> {
    const { log } = this.#deps;
    task.settleExecs();
    try {
      await reattach(this.#deps, task);
      log.warn("connection to a shim was lost and made again", { id: task.id });
      void task.shimGone.then(() => this.#onShimGone(task));
    } catch (error) {
      if (task.isEnded) return;
      log.error("shim is gone", { id: task.id, error: messageOf(error) });
      task.settle(await settleLeftover(this.#deps, task.id));
    }
  }
}
