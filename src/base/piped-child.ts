/** A program of our own (gantry-shim) that reads or writes a stream, at the pace of the slower side, and says on its standard error what went wrong. */
import { type ChildProcess, spawn } from "node:child_process";
import { Readable, Writable } from "node:stream";
import { ChildInput } from "./child-input.ts";
import { fail } from "./errors.ts";

const MAX_STDERR_BYTES = 64 * 1024;

/** A child that neither takes nor gives anything for so long waits for a file system that does not answer. */
const SILENT_MS = 30_000;
/** For a killed child to be gone. One that the kernel does not let go of is left to it. */
const KILLED_MS = 2_000;

/** Exit status when what it was given is at fault, not this host. */
const INPUT_AT_FAULT = 1;

interface Exit {
  readonly code: number | null;
  readonly killedBy: NodeJS.Signals | null;
  /** The child could not be started. */
  readonly error?: Error;
}

export class PipedChild implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #input: ChildInput;
  readonly #stdout: AsyncIterator<unknown>;
  readonly #what: string;
  readonly #signal: AbortSignal;
  readonly #closed: Promise<Exit>;
  readonly #kill = (): void => void this.#child.kill("SIGKILL");
  readonly #silentMs: number;
  #said = "";

  /** `what` as in "cannot copy from the container". The signal kills the child. */
  constructor(
    file: string,
    words: readonly string[],
    what: string,
    signal: AbortSignal,
    silentMs = SILENT_MS,
  ) {
    signal.throwIfAborted();
    this.#silentMs = silentMs;
    this.#what = what;
    this.#signal = signal;
    this.#child = spawn(file, words, { stdio: ["pipe", "pipe", "pipe"], env: {} });
    const { stdin, stdout, stderr } = this.#child;
    if (!(stdin instanceof Writable) || !(stdout instanceof Readable) || !(stderr instanceof Readable))
      throw fail("internal", `${what}: it has no pipes`);
    this.#input = new ChildInput(stdin);
    this.#stdout = stdout[Symbol.asyncIterator]();
    stderr.on("data", (chunk: Buffer) => {
      if (this.#said.length < MAX_STDERR_BYTES) this.#said += chunk.toString();
    });
    const { promise, resolve } = Promise.withResolvers<Exit>();
    this.#closed = promise;
    const end = (exit: Exit): void => {
      this.#input.gone();
      resolve(exit);
    };
    this.#child.once("error", (error) => end({ code: null, killedBy: null, error }));
    // Nobody reads what it is given any more, whoever else may have its pipes.
    this.#child.once("exit", () => this.#input.gone());
    this.#child.once("close", (code, killedBy) => end({ code, killedBy }));
    signal.addEventListener("abort", this.#kill, { once: true });
  }

  /** The next bytes of its output, undefined at the end. */
  async read(): Promise<Buffer | undefined> {
    const next = await this.#inTime(this.#stdout.next());
    if (next.done === true) return undefined;
    if (!Buffer.isBuffer(next.value))
      throw fail("internal", `${this.#what}: it wrote something that is no bytes`);
    return next.value;
  }

  /** Gives it a stream, as far as it wants it. */
  async feed(bytes: AsyncIterable<Uint8Array>): Promise<void> {
    let isWhole = false;
    try {
      isWhole = await this.#input.feed(bytes, (written) => this.#inTime(written));
    } finally {
      /* Only a whole stream ends: a part of one must not be taken for it. */
      if (isWhole || this.#input.isGone) this.#input.end();
      else this.#kill();
    }
  }

  /** What only the child is waited for. Throws `unavailable` when it is silent for too long, and as soon as the signal is aborted. */
  async #inTime<T>(work: Promise<T>): Promise<T> {
    this.#signal.throwIfAborted();
    const { promise: late, reject } = Promise.withResolvers<never>();
    const onAbort = (): void => reject(this.#signal.reason);
    const timer = setTimeout(() => reject(this.#silence()), this.#silentMs);
    this.#signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
      this.#signal.removeEventListener("abort", onAbort);
    }
  }

  #silence(): Error {
    const seconds = this.#silentMs / 1000;
    return fail("unavailable", `${this.#what}: the file system did not answer for ${seconds} seconds`);
  }

  /** Waits for its end. Throws what went wrong: `invalid_argument` for what it was given, `internal` for this host. */
  async end(): Promise<void> {
    const { code, killedBy, error } = await this.#inTime(this.#closed);
    this.#signal.throwIfAborted();
    if (code === 0) return;
    if (error !== undefined) throw fail("internal", `${this.#what}: gantry-shim cannot be started`, error);
    const said = this.#said.trim().replace(/^\w+: /, "");
    const end = killedBy === null ? `exit status ${code}` : `killed by ${killedBy}`;
    const message = `${this.#what}: ${said === "" ? end : said}`;
    throw fail(code === INPUT_AT_FAULT ? "invalid_argument" : "internal", message);
  }

  /** Ends it, if it has not ended, and waits a moment for that. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal.removeEventListener("abort", this.#kill);
    if (!this.#input.isGone) this.#kill();
    for (const stream of [this.#child.stdin, this.#child.stdout, this.#child.stderr]) stream?.destroy();
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, KILLED_MS);
    await Promise.race([this.#closed, late]);
    clearTimeout(timer);
  }
}
