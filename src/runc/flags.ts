/**
 * Command lines as Go's flag package reads them, which every caller of an OCI runtime was written against: `-x` and
 * `--x` are the same, `--x=value` or `--x value`, a switch takes a value by `=` only, `--` ends the flags.
 */
import { durationError, parseDuration } from "../base/duration.ts";
import { fail } from "../base/errors.ts";

export interface Flag {
  /** Without dashes; the first is the one `Flags` is asked by. */
  readonly names: readonly string[];
  readonly kind: "switch" | "text" | "integer" | "list" | "duration";
  /** Absent: hidden from the help. */
  readonly help?: string;
  /** Accepted by name and refused with this reason: nothing is ever taken and ignored. */
  readonly refused?: string;
}

export interface Parsed {
  readonly flags: Flags;
  readonly args: readonly string[];
}

/** What was given. Asking for a flag that the table does not have is a programming error. */
export class Flags {
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.#values = values;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  isOn(name: string): boolean {
    return this.text(name) === "true";
  }

  /** "" when it was not given; the last one counts. */
  text(name: string): string {
    return this.#values.get(name)?.at(-1) ?? "";
  }

  list(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  /** Undefined when it was not given. */
  integer(name: string): number | undefined {
    const text = this.#values.get(name)?.at(-1);
    return text === undefined ? undefined : Number(text);
  }

  /** Milliseconds. */
  duration(name: string, otherwise: number): number {
    const text = this.#values.get(name)?.at(-1);
    return text === undefined ? otherwise : (parseDuration(text) ?? 0) / 1e6;
  }
}

/**
 * `mixed`: flags may stand behind arguments, too; else the first argument ends them, as it must where the words of
 * another command follow (`exec`, `ps`). Throws `invalid_argument` in Go's words.
 */
export function parseFlags(words: readonly string[], table: readonly Flag[], mixed: boolean): Parsed {
  const values = new Map<string, string[]>();
  const args: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? "";
    if (word === "--") {
      args.push(...words.slice(i + 1));
      break;
    }
    if (word.length < 2 || !word.startsWith("-")) {
      args.push(...(mixed ? [word] : words.slice(i)));
      if (mixed) continue;
      break;
    }
    const { name, value: attached } = splitWord(word);
    const flag = table.find(({ names }) => names.includes(name));
    if (flag === undefined) throw fail("invalid_argument", `flag provided but not defined: -${name}`);
    if (flag.refused !== undefined)
      throw fail("not_implemented", `the flag --${name} is not supported: ${flag.refused}`);
    const value = attached ?? (flag.kind === "switch" ? "true" : words[++i]);
    if (value === undefined) throw fail("invalid_argument", `flag needs an argument: -${name}`);
    const key = flag.names[0] ?? name;
    const list = values.get(key);
    if (list === undefined) values.set(key, [checked(flag, name, value)]);
    else list.push(checked(flag, name, value));
  }
  return { flags: new Flags(values), args };
}

function splitWord(word: string): { readonly name: string; readonly value: string | undefined } {
  const bare = word.slice(word.startsWith("--") ? 2 : 1);
  if (bare === "" || bare.startsWith("-") || bare.startsWith("="))
    throw fail("invalid_argument", `bad flag syntax: ${word}`);
  const at = bare.indexOf("=");
  return at < 0 ? { name: bare, value: undefined } : { name: bare.slice(0, at), value: bare.slice(at + 1) };
}

const TRUE = ["1", "t", "T", "true", "TRUE", "True"];
const FALSE = ["0", "f", "F", "false", "FALSE", "False"];

/** The value in the form that `Flags` reads. */
function checked({ kind }: Flag, name: string, value: string): string {
  switch (kind) {
    case "switch":
      if (TRUE.includes(value)) return "true";
      if (FALSE.includes(value)) return "false";
      throw fail(
        "invalid_argument",
        `invalid boolean value ${JSON.stringify(value)} for -${name}: parse error`,
      );
    case "integer":
      if (/^[+-]?(\d{1,15}|0x[\da-f]{1,12})$/i.test(value)) return String(toInteger(value));
      throw fail("invalid_argument", `invalid value ${JSON.stringify(value)} for flag -${name}: parse error`);
    case "duration":
      if (parseDuration(value) !== undefined) return value;
      throw fail(
        "invalid_argument",
        `invalid value ${JSON.stringify(value)} for flag -${name}: ${durationError(value)}`,
      );
    case "text":
    case "list":
      return value;
  }
}

/** Go reads "0x10" and "010" by their prefixes. */
function toInteger(text: string): number {
  const negative = text.startsWith("-");
  const digits = text.replace(/^[+-]/, "");
  const value = /^0\d/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  return negative ? -value : value;
}
