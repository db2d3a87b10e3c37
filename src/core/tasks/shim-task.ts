/** A task as this daemon sees it: the control connection to its shim, and what is known from its events. */
import type { Duplex } from "node:stream";
import { errnoText } from "../../base/errno.ts";
import { fail, isCategory, messageOf } from "../../base/errors.ts";
import { ShimConnection, ShimRefusal } from "../../shim/client.ts";
import {
  type ProcessIdentity,
  type ShimEvent,
  type ShimRequest,
  decodeKept,
  decodeProcess,
} from "../../shim/protocol.ts";
import type { CgroupSample } from "../../linux/cgroup-use.ts";
import type { LinuxResources } from "../../specs/oci-runtime/resources.ts";
import type { Spec } from "../../specs/oci-runtime/spec.ts";
import type { ForeignContainer, ForeignExec } from "./foreign-runtime.ts";
import type { LeftoverDeps } from "./leftovers.ts";
import type { EncodedPlan } from "./planner.ts";
import {
  type AttachOptions,
  type ExecOptions,
  type ExecProcess,
  type Task,
  type TaskExit,
  TaskStartError,
} from "./tasks.ts";

/** For requests that the shim answers from memory. */
const REQUEST_TIMEOUT_MS = 10_000;
/** For those that end with an execve in the container, whose file system may be slow. */
export const START_TIMEOUT_MS = 60_000;

type ExecExit = { readonly exitCode: number; readonly signal: number };

/** How an exec ended whose shim is gone. */
const LOST_EXEC: ExecExit = { exitCode: 137, signal: 9 };

export class ShimTask implements Task {
  readonly id: string;
  readonly terminal: boolean;
  readonly spec: Spec;
  /** Undefined when the built-in runtime made it. */
  readonly foreign: ForeignContainer | undefined;
  readonly #deps: LeftoverDeps;
  readonly #exited = Promise.withResolvers<TaskExit>();
  readonly #oomListeners = new Set<() => void>();
  readonly #execs = new Map<string, (exit: ExecExit) => void>();
  #control: ShimConnection | undefined;
  #pid = 0;
  #madeAtNs = 0n;
  #isEnded = false;
  #isPaused = false;

  constructor(deps: LeftoverDeps, id: string, spec: Spec, foreign: ForeignContainer | undefined) {
    this.#deps = deps;
    this.foreign = foreign;
    this.id = id;
    this.spec = spec;
    this.terminal = spec.process?.terminal ?? false;
  }

  get pid(): number {
    return this.#pid;
  }

  get exited(): Promise<TaskExit> {
    return this.#exited.promise;
  }

  get hasScope(): boolean {
    return this.#deps.planner.scope(this.id, this.spec) !== undefined;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Resolves when the present control connection has ended; at once when there was none. */
  get shimGone(): Promise<void> {
    return this.#control?.closed ?? Promise.resolve();
  }

  /** The subscribed connection. Throws `unavailable` when there is none. */
  get control(): ShimConnection {
    if (this.#control === undefined) throw fail("unavailable", `task "${this.id}" has no shim`);
    return this.#control;
  }

  /** Takes the connection over: from now on its events are this task's. */
  adopt(socket: Duplex): ShimConnection {
    this.#control = new ShimConnection(socket, (event) => this.#onEvent(event));
    return this.#control;
  }

  get madeAtNs(): bigint {
    return this.#madeAtNs;
  }

  /** `madeAtNs`: of one that was made before. */
  setProcess(identity: ProcessIdentity, madeAtNs = BigInt(Date.now()) * 1_000_000n): void {
    this.#pid = identity.pid;
    if (this.#madeAtNs === 0n) this.#madeAtNs = madeAtNs;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  setPaused(isPaused: boolean): void {
    this.#isPaused = isPaused;
  }

  /** The end of the task, however it came to be known. Only the first call counts. */
  settle(exit: TaskExit): void {
    this.#isEnded = true;
    this.#exited.resolve(exit);
    this.settleExecs();
  }

  /** Nobody will tell any more how the execs ended. */
  settleExecs(): void {
    for (const settle of this.#execs.values()) settle(LOST_EXEC);
    this.#execs.clear();
  }

  async signal(signal: number, execId = ""): Promise<void> {
    this.#mustLive("not_found");
    if (this.foreign === undefined || execId !== "") return this.#ask({ kind: "signal", execId, signal });
    try {
      await this.foreign.signal(signal);
    } catch (error) {
      throw this.#isEnded || isCategory(error, "not_found") ? this.#notRunning("not_found", error) : error;
    }
  }

  async resize(rows: number, cols: number, execId = ""): Promise<void> {
    this.#mustLive("not_found");
    await this.#ask({ kind: "resize", execId, window: { rows, cols } });
  }

  async attach(options: AttachOptions): Promise<Duplex> {
    this.#mustLive("conflict");
    const { stdin, stdout, stderr } = options;
    const { stream } = await this.#onOwnConnection(
      { kind: "attach", stdin, stdout, stderr },
      REQUEST_TIMEOUT_MS,
    );
    return stream;
  }

  async exec(options: ExecOptions): Promise<ExecProcess> {
    this.#mustLive("conflict");
    if (this.#isPaused)
      throw fail("conflict", `container ${this.id} is paused, unpause the container before exec`);
    const { execId } = options;
    if (this.#execs.has(execId)) throw fail("conflict", `exec "${execId}" runs already`);
    const foreign = await this.foreign?.exec(options);
    try {
      return await this.#exec(options, foreign);
    } finally {
      // Nobody waits for it: the stream may have ended already, and its reader must come before that is noticed.
      if (foreign !== undefined) void this.#finish(foreign);
    }
  }

  async #finish(exec: ForeignExec): Promise<void> {
    try {
      await exec.finish();
    } catch (error) {
      this.#deps.log.warn("cannot remove the files of an exec", { id: this.id, error: messageOf(error) });
    }
  }

  async #exec(options: ExecOptions, foreign: ForeignExec | undefined): Promise<ExecProcess> {
    const { execId, stdin, stream, consoleSize } = options;
    const plan = foreign?.plan ?? this.#deps.planner.exec(this.id, this.spec, options);
    const { control } = this;
    const { promise: exited, resolve } = Promise.withResolvers<ExecExit>();
    // Before the request: the event of a short-lived process may come first, for it takes another connection.
    this.#execs.set(execId, resolve);
    try {
      const terminal = options.process.terminal ?? false;
      const request = {
        kind: "exec",
        execId,
        terminal,
        stdin,
        stream,
        window: consoleSize,
        plan: plan.bytes,
      } as const;
      const answer = await whileItAnswers<{ readonly body: Uint8Array; readonly stream: Duplex | undefined }>(
        control,
        stream
          ? this.#onOwnConnection(request, START_TIMEOUT_MS)
          : control.request(request, START_TIMEOUT_MS).then((body) => ({ body, stream: undefined })),
      );
      return { pid: decodeProcess(answer.body).pid, stream: answer.stream, exited };
    } catch (error) {
      this.#execs.delete(execId);
      if (error instanceof ShimRefusal && error.op > 0) throw startError(error, plan, await foreign?.words());
      throw this.#refined(error, "conflict", control);
    }
  }

  async pause(): Promise<void> {
    this.#mustLive("conflict");
    if (this.foreign === undefined)
      await this.#deps.cgroups.freeze(this.#deps.planner.cgroupDirs(this.id, this.spec));
    else await this.foreign.pause();
    this.#isPaused = true;
  }

  async resume(): Promise<void> {
    this.#mustLive("conflict");
    if (this.foreign === undefined)
      await this.#deps.cgroups.thaw(this.#deps.planner.cgroupDirs(this.id, this.spec));
    else await this.foreign.resume();
    this.#isPaused = false;
  }

  onOom(listener: () => void): () => void {
    this.#oomListeners.add(listener);
    return () => this.#oomListeners.delete(listener);
  }

  async use(): Promise<CgroupSample> {
    this.#mustLive("conflict");
    const use = await this.#deps.cgroups.use(this.cgroupDirs());
    if (use === undefined) throw this.#notRunning("conflict");
    return use;
  }

  async limit(resources: LinuxResources): Promise<void> {
    this.#mustLive("conflict");
    try {
      const { planner, cgroups, scopes } = this.#deps;
      const unit = planner.scope(this.id, this.spec);
      if (unit === undefined) await cgroups.update(this.cgroupDirs(), resources);
      else await scopes.update(unit, this.cgroupDirs(), resources);
    } catch (error) {
      throw this.#isEnded || isCategory(error, "not_found") ? this.#notRunning("conflict", error) : error;
    }
  }

  cgroupDirs(): readonly string[] {
    return this.foreign?.cgroupDirs(this.spec) ?? this.#deps.planner.cgroupDirs(this.id, this.spec);
  }

  async clearLog(): Promise<void> {
    this.#mustLive("conflict");
    try {
      await this.control.request({ kind: "clear-log" }, REQUEST_TIMEOUT_MS);
    } catch (error) {
      if (error instanceof ShimRefusal) throw fail("conflict", error.message, error);
      throw this.#refined(error, "conflict", this.control);
    }
  }

  async keep(name: string, descriptor: number): Promise<void> {
    this.#mustLive("conflict");
    await this.control.request({ kind: "keep", name, descriptor }, REQUEST_TIMEOUT_MS);
  }

  async kept(): Promise<ReadonlyMap<string, number>> {
    this.#mustLive("conflict");
    const { pid, descriptors } = decodeKept(await this.control.request({ kind: "kept" }, REQUEST_TIMEOUT_MS));
    if (descriptors.size === 0) return new Map();
    const { pidfds } = this.#deps;
    const shim = pidfds.pidfdOpen(pid);
    const copies = new Map<string, number>();
    try {
      for (const [name, number] of descriptors) copies.set(name, pidfds.pidfdGetfd(shim, number));
      return copies;
    } catch (error) {
      for (const copy of copies.values()) pidfds.closeFd(copy);
      throw error;
    } finally {
      pidfds.closeFd(shim);
    }
  }

  async #ask(request: ShimRequest): Promise<void> {
    const { control } = this; // the one that was asked: by the time it fails there may be another
    try {
      await control.request(request, REQUEST_TIMEOUT_MS);
    } catch (error) {
      throw this.#refined(error, "not_found", control);
    }
  }

  async #onOwnConnection(
    request: ShimRequest,
    timeoutMs: number,
  ): Promise<{ readonly body: Uint8Array; readonly stream: Duplex }> {
    const connection = new ShimConnection(this.#deps.directories.connect(this.id));
    try {
      return await connection.openStream(request, timeoutMs);
    } catch (error) {
      if (connection.isCutOff) throw this.#notRunning("conflict", error);
      throw error;
    }
  }

  #mustLive(category: "not_found" | "conflict"): void {
    if (this.#isEnded) throw this.#notRunning(category);
  }

  #notRunning(category: "not_found" | "conflict", cause?: unknown): Error {
    return fail(category, `container ${this.id} is not running`, cause);
  }

  /** What a failure means when the process was gone at the time. */
  #refined(error: unknown, category: "not_found" | "conflict", control: ShimConnection | undefined): unknown {
    const isGone = error instanceof ShimRefusal && error.errno === "ESRCH";
    const isCutOff = isCategory(error, "unavailable") && (this.#isEnded || control?.isCutOff === true);
    return isGone || isCutOff ? this.#notRunning(category, error) : error;
  }

  #onEvent(event: ShimEvent): void {
    if (event.kind === "oom") {
      for (const listener of this.#oomListeners) listener();
      return;
    }
    if (event.kind === "exec-exit") {
      const { execId, exitCode, signal } = event;
      this.#execs.get(execId)?.({ exitCode, signal });
      this.#execs.delete(execId);
      return;
    }
    const { exitCode, signal, oomKilled, exitedAtNs, lostLogBytes } = event;
    if (lostLogBytes > 0n) this.#deps.log.warn("log lacks output", { id: this.id, bytes: lostLogBytes });
    this.settle({ exitCode, signal, oomKilled, exitedAtNs, lost: false });
  }
}

/**
 * Waits for something that may take its time, but not on a shim that stands still: when it is late the shim is asked for what it
 * answers from memory.
 */
async function whileItAnswers<T>(control: ShimConnection, work: Promise<T>): Promise<T> {
  const { promise: silent, reject } = Promise.withResolvers<never>();
  const ask = (): void => void control.request({ kind: "state" }, REQUEST_TIMEOUT_MS).catch(reject);
  const timer = setTimeout(ask, REQUEST_TIMEOUT_MS);
  try {
    return await Promise.race([work, silent]);
  } finally {
    clearTimeout(timer);
  }
}

/** A shim's refusal as the start's failure; `words`: of another runtime, if it has left any. */
export function startError(
  refusal: ShimRefusal,
  plan: EncodedPlan,
  words: string | undefined,
): TaskStartError {
  const { errno } = refusal;
  if (plan.isCommand?.(refusal.op) === true)
    return new TaskStartError(
      words ?? startMessage(refusal),
      { stage: "runtime", errno },
      { cause: refusal },
    );
  const stage = plan.isExec(refusal.op) ? "exec" : "setup";
  return new TaskStartError(startMessage(refusal), { stage, errno }, { cause: refusal });
}

/** Texts in Docker's own words are complete (native/include/err.h); to others the reason is added. */
function startMessage({ text, errno }: ShimRefusal): string {
  const isComplete = /^(exec: |unable to find )/i.test(text);
  return isComplete || errno === "" ? text : `${text}: ${errnoText(errno)}`;
}
