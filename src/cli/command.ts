import type { Cli } from "./cli.ts";
import type { FlagSet } from "./flags.ts";

/** How many words a command takes besides its flags. */
export interface ArgumentRule {
  readonly least: number;
  readonly most: number;
}

export const NO_ARGUMENTS: ArgumentRule = { least: 0, most: 0 };

export function exactly(count: number): ArgumentRule {
  return { least: count, most: count };
}

export function atLeast(count: number): ArgumentRule {
  return { least: count, most: Number.POSITIVE_INFINITY };
}

/** One command as its module offers it: `export function command(): Command`, made anew for each use. */
export interface Command {
  /** What follows the command's name in the usage line: "[OPTIONS] IMAGE [COMMAND] [ARG...]". */
  readonly usage: string;
  readonly flags: FlagSet;
  readonly arguments: ArgumentRule;
  /** Does the work and returns the exit status; throws Exit, GantryError or FlagError. */
  run(cli: Cli, words: readonly string[]): Promise<number>;
  /**
   * True where Docker puts the program's name before errors and the exit status of failures is 125 (run, create):
   * status 125 itself says "the engine or the command line failed, not the container".
   */
  readonly reportsAsRun?: boolean;
  /**
   * Of a command that is shareable (commands.ts): true where its flags ask for what only a process of the caller's own has, its
   * standard input, terminal, or files by name.
   */
  needsOwnProcess?(): boolean;
}
