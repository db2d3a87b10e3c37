/**
 * Command-line flags in the grammar of Go's pflag, which Docker's users know: `--name value`, `--name=value`, `-n value`,
 * `-nvalue`, `-n=value`, `-it`, `--`; a bool takes its value only after `=`. Errors have pflag's wording, because
 * scripts and people match on it.
 */
import { nearest } from "./suggest.ts";

/** Thrown for a wrong command line; the dispatcher adds where to find help and the exit status. */
export class FlagError extends Error {}

export interface FlagSpec {
  readonly name: string;
  readonly short: string;
  /** What the help calls the value, "" for a bool. */
  readonly valueName: string;
  readonly usage: string;
  /** The default as the help shows it, "" for none. */
  readonly shownDefault: string;
  readonly hidden: boolean;
}

export interface FlagOptions {
  readonly short?: string;
  readonly shownDefault?: string;
  readonly hidden?: boolean;
  readonly valueName?: string;
}

/** One flag with its state. A parser throws a plain Error whose message says what is wrong with the value. */
export class Flag<T> implements FlagSpec {
  readonly name: string;
  readonly short: string;
  readonly valueName: string;
  readonly usage: string;
  readonly shownDefault: string;
  readonly hidden: boolean;
  readonly isBool: boolean;
  value: T;
  /** True once the command line has set it. */
  changed = false;
  readonly #parse: (text: string, before: T) => T;

  /** `defaults` are the value name and the shown default of the flag's kind, where the options do not say them. */
  constructor(
    name: string,
    initial: T,
    usage: string,
    options: FlagOptions,
    defaults: { readonly valueName: string; readonly shownDefault: string },
    parse: (text: string, before: T) => T,
  ) {
    this.name = name;
    this.value = initial;
    this.usage = usage;
    this.short = options.short ?? "";
    this.valueName = options.valueName ?? defaults.valueName;
    this.shownDefault = options.shownDefault ?? defaults.shownDefault;
    this.hidden = options.hidden ?? false;
    this.isBool = this.valueName === "";
    this.#parse = parse;
  }

  set(text: string): void {
    try {
      this.value = this.#parse(text, this.value);
    } catch (error) {
      const shown = this.short === "" ? `--${this.name}` : `-${this.short}, --${this.name}`;
      const reason = error instanceof Error ? error.message : String(error);
      throw new FlagError(`invalid argument ${JSON.stringify(text)} for "${shown}" flag: ${reason}`);
    }
    this.changed = true;
  }
}

const NO_OPTIONS: FlagOptions = {};
const NO_VALUES: readonly string[] = [];
const BOOL_DEFAULTS = { valueName: "", shownDefault: "" };
const STRING_DEFAULTS = { valueName: "string", shownDefault: "" };
const INT_DEFAULTS = { valueName: "int", shownDefault: "" };
const LIST_DEFAULTS = { valueName: "list", shownDefault: "" };

function asIs(text: string): string {
  return text;
}

function appendText(text: string, before: readonly string[]): readonly string[] {
  return [...before, text];
}

/** What every flag can do, whatever the type of its value. */
export type AnyFlag = FlagSpec & {
  readonly isBool: boolean;
  readonly changed: boolean;
  set(text: string): void;
};

export class FlagSet {
  readonly #byName = new Map<string, AnyFlag>();
  readonly #byShort = new Map<string, AnyFlag>();
  /** False: the first word that is no flag ends the flags, so that a container's command keeps its own. */
  readonly interspersed: boolean;

  constructor(options: { readonly interspersed?: boolean } = {}) {
    this.interspersed = options.interspersed ?? true;
  }

  /** In the order of their names, as the help lists them. */
  all(): AnyFlag[] {
    return [...this.#byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  named(name: string): AnyFlag | undefined {
    return this.#byName.get(name);
  }

  lettered(letter: string): AnyFlag | undefined {
    return this.#byShort.get(letter);
  }

  add<T>(flag: Flag<T>): Flag<T> {
    this.#byName.set(flag.name, flag);
    if (flag.short !== "") this.#byShort.set(flag.short, flag);
    return flag;
  }

  /** Makes another spelling of a flag known. */
  alias(spelling: string, flag: AnyFlag): void {
    this.#byName.set(spelling, new AliasFlag(spelling, flag));
  }

  /** A letter that is a flag by itself and in no help, or undefined when a flag has it. */
  letter(short: string): Flag<boolean> | undefined {
    if (this.#byShort.has(short)) return undefined;
    const flag = new Flag(short, false, "", { short, hidden: true }, BOOL_DEFAULTS, parseBool);
    this.#byShort.set(short, flag);
    return flag;
  }

  bool(name: string, initial: boolean, usage: string, options = NO_OPTIONS): Flag<boolean> {
    const defaults = initial ? { valueName: "", shownDefault: "true" } : BOOL_DEFAULTS;
    return this.add(new Flag(name, initial, usage, options, defaults, parseBool));
  }

  string(name: string, initial: string, usage: string, options = NO_OPTIONS): Flag<string> {
    const defaults =
      initial === "" ? STRING_DEFAULTS : { valueName: "string", shownDefault: JSON.stringify(initial) };
    return this.add(new Flag(name, initial, usage, options, defaults, asIs));
  }

  /** A 64-bit integer in Go's notation (decimal, 0x, 0o, 0b, underscores); refused beyond 2^53. */
  int(name: string, initial: number, usage: string, options = NO_OPTIONS): Flag<number> {
    const defaults = initial === 0 ? INT_DEFAULTS : { valueName: "int", shownDefault: String(initial) };
    return this.add(new Flag(name, initial, usage, options, defaults, parseInteger));
  }

  /** Values in the order given; `check` may replace a value or throw. */
  list(
    name: string,
    usage: string,
    options: FlagOptions & { readonly check?: (text: string) => string } = NO_OPTIONS,
  ): Flag<readonly string[]> {
    const { check } = options;
    const parse =
      check === undefined
        ? appendText
        : (text: string, before: readonly string[]) => [...before, check(text)];
    return this.add(new Flag(name, NO_VALUES, usage, options, LIST_DEFAULTS, parse));
  }

  /** A flag with a grammar of its own; the options must name its value. */
  custom<T>(
    name: string,
    initial: T,
    usage: string,
    options: FlagOptions & { readonly valueName: string; readonly parse: (text: string, before: T) => T },
  ): Flag<T> {
    return this.add(new Flag(name, initial, usage, options, STRING_DEFAULTS, options.parse));
  }

  /** Sets flags from the words and returns the others. */
  parse(words: readonly string[]): string[] {
    const rest: string[] = [];
    for (let at = 0; at < words.length; at++) {
      const word = words[at] ?? "";
      if (word === "--") {
        rest.push(...words.slice(at + 1));
        break;
      }
      if (!word.startsWith("-") || word === "-") {
        rest.push(word);
        if (this.interspersed) continue;
        rest.push(...words.slice(at + 1));
        break;
      }
      const next = words[at + 1];
      const usedNext = word.startsWith("--") ? this.#long(word, next) : this.#shorts(word, next);
      if (usedNext) at++;
    }
    return rest;
  }

  /** Sets one `--flag`; true when it took the next word as its value. */
  #long(word: string, next: string | undefined): boolean {
    const equals = word.indexOf("=");
    const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
    if (name === "" || name.startsWith("-")) throw new FlagError(`bad flag syntax: ${word}`);
    const flag = this.#byName.get(name);
    if (flag === undefined) throw new FlagError(`unknown flag: --${name}${this.#suggestion(name)}`);
    if (equals >= 0) flag.set(word.slice(equals + 1));
    else if (flag.isBool) flag.set("true");
    else if (next === undefined) throw new FlagError(`flag needs an argument: --${name}`);
    else {
      flag.set(next);
      return true;
    }
    return false;
  }

  /** Sets the flags of one `-abc`; true when the last took the next word as its value. */
  #shorts(word: string, next: string | undefined): boolean {
    for (let at = 1; at < word.length; at++) {
      const letter = word.charAt(at);
      const left = word.slice(at);
      const flag = this.#byShort.get(letter);
      if (flag === undefined) throw new FlagError(`unknown shorthand flag: '${letter}' in -${left}`);
      if (left.length > 2 && left.charAt(1) === "=") {
        flag.set(left.slice(2));
        return false;
      }
      if (flag.isBool) {
        flag.set("true");
        continue;
      }
      if (left.length > 1) {
        flag.set(left.slice(1));
        return false;
      }
      if (next === undefined) throw new FlagError(`flag needs an argument: '${letter}' in -${left}`);
      flag.set(next);
      return true;
    }
    return false;
  }

  #suggestion(name: string): string {
    const known = [...this.#byName.values()].filter((flag) => !flag.hidden).map((flag) => flag.name);
    const close = nearest(name, known);
    return close === undefined ? "" : `\nDid you mean --${close}?`;
  }
}

class AliasFlag implements FlagSpec {
  readonly name: string;
  readonly short = "";
  readonly usage = "";
  readonly shownDefault = "";
  readonly hidden = true;
  readonly #flag: AnyFlag;

  constructor(name: string, flag: AnyFlag) {
    this.name = name;
    this.#flag = flag;
  }

  get valueName(): string {
    return this.#flag.valueName;
  }

  get isBool(): boolean {
    return this.#flag.isBool;
  }

  get changed(): boolean {
    return this.#flag.changed;
  }

  set(text: string): void {
    this.#flag.set(text);
  }
}

const BOOL_WORDS: ReadonlyMap<string, boolean> = new Map([
  ...["1", "t", "T", "true", "TRUE", "True"].map((word): [string, boolean] => [word, true]),
  ...["0", "f", "F", "false", "FALSE", "False"].map((word): [string, boolean] => [word, false]),
]);

/** Go's strconv.ParseBool. */
export function parseBool(text: string): boolean {
  const value = BOOL_WORDS.get(text);
  if (value === undefined)
    throw new Error(`strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`);
  return value;
}

/** Go's strconv.ParseInt(text, 0, 64), within what a double holds exactly. */
export function parseInteger(text: string): number {
  return goInteger(text, "ParseInt", Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
}

/** Go's strconv.ParseUint(text, 0, 16). */
export function parseUint16(text: string): number {
  return goInteger(text, "ParseUint", 0, 65535);
}

function goInteger(text: string, call: string, least: number, most: number): number {
  const refuse = (why: string): Error =>
    new Error(`strconv.${call}: parsing ${JSON.stringify(text)}: ${why}`);
  const match =
    /^([+-]?)(0[xX][0-9a-fA-F](?:_?[0-9a-fA-F])*|0[bB][01](?:_?[01])*|0[oO]?[0-7](?:_?[0-7])*|0|[1-9](?:_?[0-9])*)$/.exec(
      text,
    );
  if (match === null || (call === "ParseUint" && match[1] !== "")) throw refuse("invalid syntax");
  let digits = (match[2] ?? "").replaceAll("_", "");
  if (/^0[0-7]/.test(digits)) digits = `0o${digits.slice(1)}`;
  const value = match[1] === "-" ? -BigInt(digits) : BigInt(digits);
  if (value < BigInt(least) || value > BigInt(most)) throw refuse("value out of range");
  return Number(value);
}
