/** From a template's text to its actions, and from an action to words. */
import { TemplateError } from "./template-error.ts";

export interface Piece {
  readonly kind: "text" | "action";
  readonly text: string;
  readonly line: number;
  /** Column of the first character inside the delimiters. */
  readonly column: number;
}

export type TokenKind =
  | "field"
  | "dot"
  | "variable"
  | "word"
  | "string"
  | "number"
  | "char"
  | "("
  | ")"
  | "|"
  | ","
  | ":="
  | "=";

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  /** Offset in the action, for messages and to tell `.A.B` from `.A .B`. */
  readonly at: number;
}

export function parseError(name: string, line: number, message: string): TemplateError {
  return new TemplateError("parse", `template: ${name}:${line}: ${message}`);
}

/** Splits at `{{` and `}}`; trim markers have removed the blanks they stand for, comments are gone. */
export function splitActions(source: string, name: string): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  let trimLeft = false;
  for (;;) {
    const open = source.indexOf("{{", at);
    let text = open < 0 ? source.slice(at) : source.slice(at, open);
    if (trimLeft) text = text.replace(/^[ \t\r\n]+/, "");
    const trimsBefore = open >= 0 && /^\{\{-[ \t\r\n]/.test(source.slice(open, open + 4));
    if (trimsBefore) text = text.replace(/[ \t\r\n]+$/, "");
    if (text !== "") pieces.push({ kind: "text", text, line: 0, column: 0 });
    if (open < 0) return pieces;
    const start = open + (trimsBefore ? 3 : 2);
    const before = source.slice(0, open).split("\n");
    const line = before.length;
    const end = actionEnd(source, start);
    if (end === undefined) throw parseError(name, line, "unclosed action");
    let body = source.slice(start, end);
    trimLeft = /[ \t\r\n]-$/.test(body);
    if (trimLeft) body = body.slice(0, -1);
    at = end + 2;
    if (/^\s*\/\*[^]*\*\/\s*$/.test(body)) continue;
    pieces.push({ kind: "action", text: body, line, column: (before.at(-1) ?? "").length + (start - open) });
  }
}

/** The offset of the `}}` that ends the action; those inside strings do not. */
function actionEnd(source: string, start: number): number | undefined {
  let quote = "";
  for (let at = start; at < source.length; at++) {
    const character = source.charAt(at);
    if (quote !== "") {
      if (character === "\\" && quote !== "`") at++;
      else if (character === quote) quote = "";
    } else if (character === '"' || character === "`" || character === "'") quote = character;
    else if (character === "}" && source.charAt(at + 1) === "}") return at;
  }
  return undefined;
}

const PATTERNS: readonly (readonly [TokenKind, RegExp])[] = [
  ["string", /"(?:[^"\\\n]|\\.)*"|`[^`]*`/y],
  ["char", /'(?:[^'\\\n]|\\.)+'/y],
  [
    "number",
    /[+-]?(?:0[xX][\da-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)/y,
  ],
  ["field", /\.[\p{L}_][\p{L}\p{Nd}_]*/uy],
  ["variable", /\$[\p{L}\p{Nd}_]*/uy],
  ["word", /[\p{L}_][\p{L}\p{Nd}_]*/uy],
  ["dot", /\./y],
  [":=", /:=/y],
  ["=", /=/y],
  ["(", /\(/y],
  [")", /\)/y],
  ["|", /\|/y],
  [",", /,/y],
];

export function tokenize(piece: Piece, name: string): Token[] {
  const tokens: Token[] = [];
  const { text } = piece;
  let at = 0;
  while (at < text.length) {
    if (/\s/.test(text.charAt(at))) {
      at++;
      continue;
    }
    const token = nextToken(text, at);
    if (token === undefined) {
      const character = text.charAt(at);
      if (character === '"') throw parseError(name, piece.line, "unterminated quoted string");
      if (character === "'") throw parseError(name, piece.line, "unterminated character constant");
      throw parseError(
        name,
        piece.line,
        `unexpected bad character U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")} '${character}' in command`,
      );
    }
    tokens.push(token);
    at += token.text.length;
  }
  return tokens;
}

function nextToken(text: string, at: number): Token | undefined {
  for (const [kind, pattern] of PATTERNS) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match !== null) return { kind, text: match[0], at };
  }
  return undefined;
}

const SIMPLE_ESCAPES: ReadonlyMap<string, string> = new Map([
  ["a", "\x07"],
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
  ["v", "\v"],
]);

/** The text that a Go literal in quotes stands for. */
export function unquote(literal: string): string {
  const inner = literal.slice(1, -1);
  if (literal.startsWith("`")) return inner;
  return inner.replaceAll(
    /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{3})|(.))/g,
    (
      _,
      hex: string | undefined,
      short: string | undefined,
      long: string | undefined,
      octal: string | undefined,
      one: string,
    ) => {
      const code = hex ?? short ?? long;
      if (code !== undefined) return String.fromCodePoint(Number.parseInt(code, 16));
      if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8));
      return SIMPLE_ESCAPES.get(one) ?? one;
    },
  );
}
