/** What every command gets: where it writes, what it was started with, and the way to the engine. */
import type { Sink } from "../base/bun-stdio.ts";
import type { EngineClient } from "../client/engine-client.ts";
import type { Caller } from "./caller.ts";
import { type Config, loadConfig } from "./config.ts";
import type { GlobalOptions } from "./global-options.ts";
import { plainText, untouchedUnlessShown } from "./output/plain-text.ts";
import { openEngine, type EngineAddress, resolveAddress } from "./hosts.ts";

/** What only the process itself knows; the composition root reads it once. */
export interface Invocation {
  /** The name to speak of ourselves by: "gantry". */
  readonly program: string;
  readonly version: string;
  readonly environment: ReadonlyMap<string, string>;
  readonly workingDirectory: string;
  readonly homeDirectory: string;
  readonly userId: number;
  /** The command that starts the engine in the background: program, name to call it by, words. */
  readonly engineCommand: {
    readonly file: string;
    readonly argv0: string;
    readonly words: readonly string[];
  };
  /** The native part that lies beside this program; asked for by the commands that need it alone. */
  readonly nativeShim: () => Promise<string>;
  /** The process that waits for the command. */
  readonly caller: Caller;
}

export class Cli {
  readonly invocation: Invocation;
  readonly options: GlobalOptions;
  readonly out: Sink;
  readonly err: Sink;
  #config: Promise<Config> | undefined;
  #address: Promise<EngineAddress> | undefined;
  #engine: Promise<EngineClient> | undefined;

  constructor(
    invocation: Invocation,
    options: GlobalOptions,
    streams: { readonly out: Sink; readonly err: Sink },
  ) {
    this.invocation = invocation;
    this.options = options;
    this.out = streams.out;
    this.err = streams.err;
  }

  get program(): string {
    return this.invocation.program;
  }

  variable(name: string): string | undefined {
    return this.invocation.environment.get(name);
  }

  config(): Promise<Config> {
    this.#config ??= loadConfig(this.options.configDirectory(this.invocation), (line) => this.warn(line));
    return this.#config;
  }

  address(): Promise<EngineAddress> {
    this.#address ??= resolveAddress(this);
    return this.#address;
  }

  /** The client of the engine that flags, environment and contexts name; connecting happens at the first call. */
  engine(): Promise<EngineClient> {
    this.#engine ??= openEngine(this);
    return this.#engine;
  }

  /** Closes what connections to the engine there are; what still goes on over them fails. */
  close(): void {
    this.#engine?.then(
      (engine) => engine.close(),
      () => {}, // There is none, which its user has been told.
    );
  }

  /** A line, or several; names and messages of others in it cannot command a terminal (output/plain-text.ts). */
  async print(line: string): Promise<void> {
    await this.out.write(`${plainText(line)}\n`);
  }

  async warn(line: string): Promise<void> {
    await this.err.write(`${plainText(line)}\n`);
  }

  /** What a template of the user's made of others' data: byte for byte, except for a terminal's eyes. */
  async printMade(text: string): Promise<void> {
    await this.out.write(await untouchedUnlessShown(text, () => this.invocation.caller.isTerminal(1)));
  }
}
