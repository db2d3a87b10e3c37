import type { AnyFlag, FlagSet } from "../flags.ts";

export interface Scanned {
  readonly words: readonly string[];
  /** The last word was a flag whose value is to come. */
  readonly pending: AnyFlag | undefined;
  /** Whatever comes is no flag. */
  readonly isPastFlags: boolean;
}

/** The words of an unfinished command line that are no flags. Pure; flags keep their values, and those that are none are passed over. */
export function scan(flags: FlagSet, line: readonly string[]): Scanned {
  const words: string[] = [];
  for (let at = 0; at < line.length; at++) {
    const word = line[at] ?? "";
    if (word === "--")
      return { words: [...words, ...line.slice(at + 1)], pending: undefined, isPastFlags: true };
    if (!word.startsWith("-") || word === "-") {
      words.push(word);
      if (flags.interspersed) continue;
      return { words: [...words, ...line.slice(at + 1)], pending: undefined, isPastFlags: true };
    }
    const flag = wantsNext(flags, word);
    if (flag === undefined) continue;
    at++;
    if (at === line.length) return { words, pending: flag, isPastFlags: false };
  }
  return { words, pending: undefined, isPastFlags: false };
}

/** The flag of `--flag` or `-abc` whose value is the next word. */
function wantsNext(flags: FlagSet, word: string): AnyFlag | undefined {
  if (word.startsWith("--")) {
    const flag = word.includes("=") ? undefined : flags.named(word.slice(2));
    return flag === undefined || flag.isBool ? undefined : flag;
  }
  for (let at = 1; at < word.length; at++) {
    const flag = flags.lettered(word.charAt(at));
    if (flag === undefined) return undefined;
    if (!flag.isBool) return at === word.length - 1 ? flag : undefined;
  }
  return undefined;
}
