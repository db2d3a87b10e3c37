/** What one invocation knows before its verb is looked at, and what a verb is. */
import type { Caller } from "./caller.ts";
import type { Native } from "../linux/native.ts";
import type { Flag, Parsed } from "./flags.ts";
import type { Logger } from "./log.ts";

export interface Context {
  /** Absolute; not necessarily there yet. */
  readonly root: string;
  readonly workingDirectory: string;
  readonly log: Logger;
  readonly systemdCgroup: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly caller: Caller;
  readonly version: string;
  readonly commit: string;
  /** Loads the addon at the first call: many verbs never need it. */
  native(): Native;
  serve(socket: string): Promise<number>;
  /** To standard output. */
  write(text: string): void;
}

export interface Verb {
  readonly summary: string;
  /** "<container-id>", as the help shows it. */
  readonly usage: string;
  readonly flags: readonly Flag[];
  /** How many arguments are wanted. */
  readonly least: number;
  readonly most: number;
  /** Words of another command follow: the first argument ends the flags. */
  readonly passesWords?: true;
  /** A resident compiler may do it for another process. */
  readonly isResident?: true;
  /** Of a failure; 1 unless it says otherwise. */
  readonly failureCode?: number;
  /** Put before the message of a failure. */
  readonly failurePrefix?: string;
  /** Returns the exit code. */
  run(context: Context, parsed: Parsed): number | Promise<number>;
}
