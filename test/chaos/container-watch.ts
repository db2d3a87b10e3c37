/** Watching containers that go on from kill to kill: their logs, line by line, and their ports. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Engine } from "../support/engine.ts";
import { SLOWNESS } from "../support/until.ts";
import { type FailedProbe, sequenceViolation } from "./container-violations.ts";

const PROBER = join(import.meta.dirname, "container-prober.ts");
const ANSWER_MS = 10_000 * SLOWNESS;

/** A json-file log of a counter; what has been read is not read again. */
export class NumberedLog {
  readonly name: string;
  readonly #path: string;
  #offset = 0;
  #next = 0;

  constructor(name: string, path: string) {
    this.name = name;
    this.#path = path;
  }

  /** How many lines there have been. */
  get count(): number {
    return this.#next;
  }

  violation(): string | undefined {
    const text = this.#read();
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    this.#offset += Buffer.byteLength(whole);
    const lines = whole
      .split("\n")
      .slice(0, -1)
      .map((line) => {
        const { log }: { readonly log: string } = JSON.parse(line);
        return log.trimEnd();
      });
    const wrong = sequenceViolation(this.name, lines, this.#next);
    this.#next += lines.length;
    return wrong;
  }

  #read(): string {
    const fd = openSync(this.#path, "r");
    try {
      const parts: Buffer[] = [];
      for (let at = this.#offset; ; ) {
        const part = Buffer.alloc(1 << 16);
        const bytes = readSync(fd, part, 0, part.length, at);
        if (bytes === 0) return Buffer.concat(parts).toString();
        parts.push(part.subarray(0, bytes));
        at += bytes;
      }
    } finally {
      closeSync(fd);
    }
  }
}

/** A process in the engine's network that asks for pages all the time (`container-prober.ts`). */
export class Prober {
  readonly #process: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  #tried = 0;

  private constructor(child: ChildProcess) {
    if (child.stdout === null) throw new Error("the prober has no output");
    this.#process = child;
    this.#answers = createInterface(child.stdout)[Symbol.asyncIterator]();
  }

  static async start(engine: Engine, ports: readonly number[]): Promise<Prober> {
    const command = await engine.inHost([process.execPath, PROBER, ...ports.map(String)]);
    const child = spawn(command[0] ?? "", command.slice(1), { stdio: ["pipe", "pipe", "inherit"] });
    const prober = new Prober(child);
    await prober.failures();
    return prober;
  }

  /** How often ports have been tried. */
  get tried(): number {
    return this.#tried;
  }

  /** Since it was asked last; all ports are tried once more before. */
  async failures(): Promise<readonly FailedProbe[]> {
    this.#process.stdin?.write("\n");
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), ANSWER_MS);
    try {
      const { value, done } = await this.#answers.next();
      if (done === true) throw new Error("the prober has ended");
      const { tried, failed }: { readonly tried: number; readonly failed: readonly FailedProbe[] } =
        JSON.parse(value);
      this.#tried = tried;
      return failed;
    } finally {
      clearTimeout(timer);
    }
  }

  stop(): void {
    this.#process.kill("SIGKILL");
  }
}
