/**
 * Feeds a layer to a `gantry-shim tree apply` or `image` child. The child confines itself to the directory before it reads
 * the first byte; here nothing of the archive is looked at.
 */
import { spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { ChildInput } from "../base/child-input.ts";
import { collect } from "../base/collect.ts";
import { fail } from "../base/errors.ts";
import type { TreeUsage } from "./native.ts";

const MAX_STDERR_BYTES = 64 * 1024;
const MAX_STDOUT_BYTES = 4 * 1024;

/** Exit status of `tree apply` when the archive is at fault, not this host. */
const ARCHIVE_AT_FAULT = 1;

/** Into the directory, or into an image in it. */
export type ApplyVerb = "apply" | "image";

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The child could not be started. */
  readonly error?: Error;
}

/** A started child with what it has said so far; `closed` when it has ended and its output is complete. */
class Applier {
  readonly #child: Child;
  readonly #input: ChildInput;
  readonly #exited: Promise<Exit>;
  readonly #stdout: () => string;
  readonly #stderr: () => string;

  constructor(shim: string, verb: ApplyVerb, directory: string) {
    this.#child = spawn(shim, ["tree", verb, directory], { stdio: ["pipe", "pipe", "pipe"], env: {} });
    this.#input = new ChildInput(this.#child.stdin);
    this.#stdout = collect(this.#child.stdout, MAX_STDOUT_BYTES);
    this.#stderr = collect(this.#child.stderr, MAX_STDERR_BYTES);
    const { promise, resolve } = Promise.withResolvers<Exit>();
    this.#exited = promise;
    const end = (exit: Exit) => {
      this.#input.gone();
      resolve(exit);
    };
    this.#child.once("error", (error) => end({ code: null, signal: null, error }));
    this.#child.once("close", (code, signal) => end({ code, signal }));
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  /** Writes the archive until it or the child ends; then the source is told to stop. */
  async feed(tar: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      await this.#input.feed(tar);
    } finally {
      this.#input.end();
    }
  }

  /** Waits for the end and says what came of it. */
  async result(): Promise<TreeUsage> {
    const { code, signal, error } = await this.#exited;
    if (error !== undefined) throw fail("internal", "cannot start gantry-shim to apply a layer", error);
    if (code === 0) return decodeUsage(this.#stdout());
    const said = this.#stderr()
      .trim()
      .replace(/^tree: /, "");
    if (code === ARCHIVE_AT_FAULT) throw fail("invalid_argument", `cannot apply layer: ${said}`);
    const end = signal === null ? `exit status ${code}` : `killed by ${signal}`;
    throw fail("internal", `cannot apply layer: ${said === "" ? end : said}`);
  }

  async ended(): Promise<void> {
    await this.#exited;
  }
}

function decodeUsage(text: string): TreeUsage {
  const match = /^\{"sizeBytes":(-?\d{1,15}),"inodes":(-?\d{1,15})\}\n$/.exec(text);
  if (match === null) throw fail("internal", `gantry-shim answered ${JSON.stringify(text)}`);
  return { sizeBytes: Number(match[1]), inodes: Number(match[2]) };
}

/** See `Native.applyLayer` and `Native.applyLayerImage`. Whatever happens, the child has ended when the promise is settled. */
export async function applyLayer(
  shim: string,
  verb: ApplyVerb,
  directory: string,
  tar: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<TreeUsage> {
  signal.throwIfAborted();
  const applier = new Applier(shim, verb, directory);
  const kill = () => applier.kill();
  signal.addEventListener("abort", kill, { once: true });
  try {
    await applier.feed(tar);
    return await applier.result();
  } catch (error) {
    applier.kill(); // the source failed: the child must not take a part for the whole
    await applier.ended();
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", kill);
  }
}
