/**
 * `--change` texts as Docker reads them: together they are a Dockerfile, with comments, continued lines and flags; but of what
 * one may say only the instructions count that describe a container. Pure.
 */
import { fail, type GantryError } from "../../base/errors.ts";

export interface ChangeLine {
  /** As it was written. */
  readonly name: string;
  /** Without their "--". */
  readonly flags: readonly string[];
  readonly rest: string;
  /** What starts a continued line and protects a character: "\" or "`". */
  readonly escape: string;
}

/** Throws `invalid_argument` with Docker's words. */
export function splitChanges(texts: readonly string[]): readonly ChangeLine[] {
  const lines = texts.join("\n").split(/\r?\n/);
  const escape = /^#\s*escape\s*=\s*(\\|`)\s*$/i.exec(lines[0] ?? "")?.[1] ?? "\\";
  const found = joined(lines, escape).map((line) => splitLine(line, escape));
  if (found.length === 0) throw fail("invalid_argument", "file with no instructions");
  return found;
}

/** Continued lines made one; comments and empty lines are left out, also between the parts of one. */
function joined(lines: readonly string[], escape: string): readonly string[] {
  const continues = escape === "\\" ? /\\[ \t]*$/ : /`[ \t]*$/;
  const found: string[] = [];
  let begun: string | undefined;
  for (const line of lines) {
    if (/^\s*(#|$)/.test(line)) continue;
    const text: string = begun === undefined ? line.trimStart() : begun + line;
    begun = continues.test(text) ? text.replace(continues, "") : undefined;
    if (begun === undefined) found.push(text.trim());
  }
  if (begun !== undefined) found.push(begun.trim());
  return found.filter((line) => line !== "");
}

function splitLine(line: string, escape: string): ChangeLine {
  const [, name = "", text = ""] = /^(\S+)\s*([^]*)$/.exec(line) ?? [];
  const flags: string[] = [];
  let rest = text;
  for (;;) {
    const flag = /^--(\S+)\s*/.exec(rest);
    if (flag === null) break;
    flags.push(flag[1] ?? "");
    rest = rest.slice(flag[0].length);
  }
  return { name, flags, rest, escape };
}

/** The list that a text begins with; undefined when it begins with none. Throws for one of other things than strings. */
export function jsonForm(text: string): readonly string[] | undefined {
  const end = text.startsWith("[") ? endOfList(text) : -1;
  if (end < 0) return undefined;
  let list: unknown;
  try {
    list = JSON.parse(text.slice(0, end));
  } catch {
    return undefined;
  }
  if (!Array.isArray(list)) return undefined;
  return list.map((item: unknown) => {
    if (typeof item === "string") return item;
    throw invalid("when using JSON array syntax, arrays must be comprised of strings only");
  });
}

/** Behind the bracket that closes the first one; -1 when none does. */
function endOfList(text: string): number {
  let depth = 0;
  for (const token of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]]/g)) {
    if (token[0] === "[") depth++;
    if (token[0] === "]" && --depth === 0) return token.index + 1;
  }
  return -1;
}

/** Words at white space, with quotes and escapes in them as they are. */
export function words({ rest, escape }: ChangeLine): readonly string[] {
  const one =
    escape === "\\"
      ? /(?:\\[^]|"(?:\\[^]|[^"\\])*(?:"|\\?$)|'[^']*(?:'|$)|[^\s\\"']|\\$)+/g
      : /(?:`[^]|"(?:`[^]|[^"`])*(?:"|`?$)|'[^']*(?:'|$)|[^\s`"']|`$)+/g;
  return rest.match(one) ?? [];
}

export function invalid(message: string): GantryError {
  return fail("invalid_argument", message);
}
