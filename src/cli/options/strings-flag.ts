/** Flags of pflag's kind `strings`: several values in one word, separated by commas, and the flag repeated. */
import type { Flag, FlagSet } from "../flags.ts";
import { csvFields } from "./values.ts";

const NONE: readonly string[] = [];

export function stringsFlag(flags: FlagSet, name: string, usage: string): Flag<readonly string[]> {
  return flags.custom(name, NONE, usage, {
    valueName: "strings",
    parse: (text, before) => (text === "" ? before : [...before, ...csvFields(text)]),
  });
}
