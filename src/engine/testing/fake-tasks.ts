/** Tasks without processes: the test says what a program writes and when it ends. */
import { Duplex, PassThrough } from "node:stream";
import { fail } from "../../base/errors.ts";
import type { CgroupSample } from "../../linux/cgroup-use.ts";
import { exampleUse } from "../../linux/testing/example-use.ts";
import type { LinuxResources } from "../../specs/oci-runtime/resources.ts";
import {
  type AttachOptions,
  type ExecOptions,
  type ExecProcess,
  type RunOptions,
  type StartFailure,
  type Task,
  type TaskExit,
  TaskStartError,
  type Tasks,
} from "../../core/tasks/tasks.ts";

/** One end of a process's stdio: the test writes output and reads input. */
export class FakeStream extends Duplex {
  readonly input = new PassThrough();
  readonly options: AttachOptions;

  constructor(options: AttachOptions) {
    super({ allowHalfOpen: true });
    this.options = options;
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.input.write(chunk);
    done();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.input.end();
    done();
  }
}

export class FakeTask implements Task {
  readonly id: string;
  readonly pid: number;
  readonly terminal: boolean;
  readonly options: RunOptions | undefined;
  readonly exited: Promise<TaskExit>;
  readonly streams: FakeStream[] = [];
  readonly signals: number[] = [];
  readonly sizes: (readonly [number, number, string | undefined])[] = [];
  readonly execs: FakeExec[] = [];
  /** Streams that were there before the process would have run. */
  streamsAtStart = 0;
  isPaused = false;
  /** False: the test ends the streams itself, after the exit. */
  exitEndsStreams = true;
  /** Signals that end it. */
  deadly = new Set([2, 9, 15]);
  madeAtNs = BigInt(Date.now()) * 1_000_000n;
  failExec: (StartFailure & { readonly message: string }) | undefined;
  readonly #resolve: (exit: TaskExit) => void;

  constructor(id: string, pid: number, options: RunOptions | undefined) {
    this.id = id;
    this.pid = pid;
    this.options = options;
    this.terminal = options?.spec.process?.terminal === true;
    const { promise, resolve } = Promise.withResolvers<TaskExit>();
    this.exited = promise;
    this.#resolve = resolve;
  }

  exit(exitCode: number, more: Partial<TaskExit> = {}): void {
    if (this.exitEndsStreams) for (const stream of this.streams) stream.push(null);
    this.#resolve({
      exitCode,
      signal: 0,
      oomKilled: false,
      exitedAtNs: BigInt(Date.now()) * 1_000_000n,
      lost: false,
      ...more,
    });
  }

  signal(signal: number, execId = ""): Promise<void> {
    if (execId !== "") {
      const exec = this.execs.find(({ options, isEnded }) => options.execId === execId && !isEnded);
      if (exec === undefined) return Promise.reject(fail("not_found", `no exec ${execId}`));
      exec.signals.push(signal);
      if (this.deadly.has(signal)) exec.exit(128 + signal);
      return Promise.resolve();
    }
    this.signals.push(signal);
    if (this.deadly.has(signal)) this.exit(128 + signal, { signal });
    return Promise.resolve();
  }

  resize(rows: number, cols: number, execId?: string): Promise<void> {
    this.sizes.push([rows, cols, execId]);
    return Promise.resolve();
  }

  attach(options: AttachOptions): Promise<Duplex> {
    const stream = new FakeStream(options);
    this.streams.push(stream);
    return Promise.resolve(stream);
  }

  /** An exec's process is made when this is done. */
  execMayBegin: Promise<void> = Promise.resolve();

  async exec(options: ExecOptions): Promise<ExecProcess> {
    await this.execMayBegin;
    if (this.failExec !== undefined) throw new TaskStartError(this.failExec.message, this.failExec);
    const exec = new FakeExec(options);
    this.execs.push(exec);
    return exec.process;
  }

  /** How often the log was cleared. */
  cleared = 0;

  async clearLog(): Promise<void> {
    this.cleared++;
  }

  /** What was given to be kept. */
  readonly keeping = new Map<string, number>();

  async keep(name: string, descriptor: number): Promise<void> {
    this.keeping.set(name, descriptor);
  }

  async kept(): Promise<ReadonlyMap<string, number>> {
    return this.keeping;
  }

  readonly #oomListeners = new Set<() => void>();

  onOom(listener: () => void): () => void {
    this.#oomListeners.add(listener);
    return () => this.#oomListeners.delete(listener);
  }

  runOutOfMemory(): void {
    for (const listener of this.#oomListeners) listener();
  }

  /** What `use` tells, CPU time in nanoseconds; undefined: it has ended. */
  cpuNs: bigint | undefined = 0n;
  /** What `limit` was given. */
  readonly limits: LinuxResources[] = [];
  /** Why the kernel refuses each of them. */
  failLimit: (resources: LinuxResources) => Error | undefined = () => undefined;

  use(): Promise<CgroupSample> {
    if (this.cpuNs === undefined) return Promise.reject(fail("conflict", `${this.id} is not running`));
    return Promise.resolve(exampleUse(this.cpuNs));
  }

  limit(resources: LinuxResources): Promise<void> {
    this.limits.push(resources);
    const refusal = this.failLimit(resources);
    return refusal === undefined ? Promise.resolve() : Promise.reject(refusal);
  }

  pause(): Promise<void> {
    this.isPaused = true;
    return Promise.resolve();
  }

  resume(): Promise<void> {
    this.isPaused = false;
    return Promise.resolve();
  }
}

export class FakeExec {
  readonly signals: number[] = [];
  readonly options: ExecOptions;
  readonly stream: FakeStream | undefined;
  readonly process: ExecProcess;
  isEnded = false;
  readonly #resolve: (exit: { exitCode: number; signal: number }) => void;

  constructor(options: ExecOptions) {
    this.options = options;
    this.stream = options.stream
      ? new FakeStream({ stdin: options.stdin, stdout: true, stderr: true })
      : undefined;
    const { promise, resolve } = Promise.withResolvers<{ exitCode: number; signal: number }>();
    this.#resolve = resolve;
    this.process = { pid: 4321, stream: this.stream, exited: promise };
  }

  exit(exitCode: number): void {
    this.stream?.push(null);
    this.endProcess(exitCode);
  }

  /** A child of it holds its streams open. */
  endProcess(exitCode: number): void {
    this.isEnded = true;
    this.#resolve({ exitCode, signal: 0 });
  }
}

export class FakeTasks implements Tasks {
  readonly running = new Map<string, FakeTask>();
  readonly removed: string[] = [];
  /** The next runs fail with these. */
  readonly failures: Error[] = [];
  /** Called with each new task, before its process would run; the run has begun when it is done. */
  onRun: (task: FakeTask) => void | Promise<void> = () => {};
  /** What `reconnect` finds. */
  left = new Map<string, FakeTask>();
  #pid = 1000;

  async run(options: RunOptions): Promise<Task> {
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
    if (this.running.has(options.id)) throw fail("conflict", `task ${options.id} exists`);
    const task = new FakeTask(options.id, ++this.#pid, options);
    for (const { options: wanted, deliver } of options.attach) deliver(await task.attach(wanted));
    task.streamsAtStart = task.streams.length;
    await options.beforeStart?.(task);
    this.running.set(options.id, task);
    await this.onRun(task);
    return task;
  }

  get(id: string): Task | undefined {
    return this.running.get(id);
  }

  reconnect(): Promise<ReadonlyMap<string, Task>> {
    for (const [id, task] of this.left) this.running.set(id, task);
    return Promise.resolve(new Map<string, Task>(this.left));
  }

  remove(id: string): Promise<void> {
    this.removed.push(id);
    this.running.delete(id);
    return Promise.resolve();
  }

  /** The task of the only container that runs. */
  only(): FakeTask {
    const [task] = this.running.values();
    if (task === undefined || this.running.size !== 1) throw new Error(`${this.running.size} tasks run`);
    return task;
  }
}
