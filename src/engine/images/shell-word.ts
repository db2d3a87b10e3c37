/** Quotes, escapes and variables in a word of a Dockerfile, as Docker has them: much of the shell's way, not all of it. Pure. */
import { messageOf } from "../../base/errors.ts";
import { invalid } from "./change-lines.ts";

export interface WordOptions {
  readonly variables: ReadonlyMap<string, string>;
  readonly escape: string;
}

/** Throws `invalid_argument` that quotes the word. */
export function expandWord(text: string, options: WordOptions): string {
  const word = new Word(text, options);
  try {
    return word.until("");
  } catch (error) {
    throw invalid(`failed to process ${JSON.stringify(text.slice(0, 200))}: ${messageOf(error)}`);
  }
}

/** Defaults of defaults of defaults: nobody nests as deep, but one who wants a stack to overflow. */
const MAX_DEPTH = 50;

class Word {
  readonly #text: string;
  readonly #options: WordOptions;
  #at = 0;
  #depth = 0;

  constructor(text: string, options: WordOptions) {
    this.#text = text;
    this.#options = options;
  }

  #peek(): string {
    return this.#text.charAt(this.#at);
  }

  #next(): string {
    return this.#text.charAt(this.#at++);
  }

  /** Up to the character, which is taken, or to the end for "". */
  until(stop: string): string {
    let result = "";
    while (this.#at < this.#text.length) {
      const char = this.#next();
      if (char === stop) return result;
      if (char === "'") result += this.#single();
      else if (char === '"') result += this.#double();
      else if (char === "$") result += this.#variable();
      else if (char === this.#options.escape) result += this.#next();
      else result += char;
    }
    if (stop !== "") throw invalid(`unexpected end of statement while looking for matching ${stop}`);
    return result;
  }

  #single(): string {
    const end = this.#text.indexOf("'", this.#at);
    if (end < 0) throw invalid("unexpected end of statement while looking for matching single-quote");
    const inner = this.#text.slice(this.#at, end);
    this.#at = end + 1;
    return inner;
  }

  #double(): string {
    const { escape } = this.#options;
    let result = "";
    while (this.#at < this.#text.length) {
      const char = this.#next();
      if (char === '"') return result;
      if (char === "$") result += this.#variable();
      else if (char === escape && ['"', "$", escape].includes(this.#peek())) result += this.#next();
      else result += char;
    }
    throw invalid("unexpected end of statement while looking for matching double-quote");
  }

  #variable(): string {
    if (this.#peek() !== "{") {
      const name = this.#name();
      return name === "" ? "$" : (this.#options.variables.get(name) ?? "");
    }
    this.#next();
    const name = this.#name();
    const value = this.#options.variables.get(name);
    let modifier = this.#next();
    if (modifier === "}") return value ?? "";
    const isSet = modifier === ":" ? (value ?? "") !== "" : value !== undefined;
    if (modifier === ":") modifier = this.#next();
    if (!["-", "+", "?"].includes(modifier))
      throw invalid(`unsupported modifier (${modifier === "" ? "\uFFFD" : modifier}) in substitution`);
    if (++this.#depth > MAX_DEPTH) throw invalid("too many substitutions in one another");
    const word = this.until("}");
    this.#depth--;
    if (modifier === "-") return isSet ? (value ?? "") : word;
    if (modifier === "+") return isSet ? word : "";
    if (isSet) return value ?? "";
    throw invalid(`${name}: ${word === "" ? "is not allowed to be unset" : word}`);
  }

  #name(): string {
    const name = /^(?:[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#])/.exec(this.#text.slice(this.#at))?.[0] ?? "";
    this.#at += name.length;
    return name;
  }
}
