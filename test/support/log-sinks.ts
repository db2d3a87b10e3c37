/** Sinks in the host of an engine under test. Whoever starts one ends it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Engine } from "./engine.ts";
import { until } from "./until.ts";

export class HostProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  #output = "";

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on("data", (bytes: Buffer) => {
      this.#output += bytes.toString("latin1");
    });
  }

  static async start(engine: Engine, command: readonly string[]): Promise<HostProcess> {
    const [program = "", ...words] = await engine.inHost(command);
    return new HostProcess(spawn(program, words, { stdio: ["ignore", "pipe", "inherit"] }));
  }

  /** Complete lines. */
  get lines(): readonly string[] {
    return this.#output.split("\n").slice(0, -1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }
}

/** test/support/log-sink.ts, listening. */
export class LogSinkProcess implements AsyncDisposable {
  readonly #process: HostProcess;

  private constructor(host: HostProcess) {
    this.#process = host;
  }

  static async start(engine: Engine, ...words: readonly string[]): Promise<LogSinkProcess> {
    const script = join(import.meta.dirname, "log-sink.ts");
    const host = await HostProcess.start(engine, [process.execPath, script, ...words]);
    await until("the sink to listen", () => host.lines.length > 0);
    return new LogSinkProcess(host);
  }

  get port(): number {
    return Number(this.#process.lines[0]);
  }

  /** Datagrams, messages or pieces of a stream. */
  get pieces(): readonly Buffer[] {
    return this.#process.lines.slice(1).map((line) => Buffer.from(line, "hex"));
  }

  get text(): string {
    return Buffer.concat(this.pieces).toString("latin1");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}
