/** From a template's actions to a tree. */
import { isFunctionName } from "./template-functions.ts";
import { parseError, type Piece, splitActions, type Token, tokenize, unquote } from "./template-lex.ts";

export type Node =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "print"; readonly pipe: Pipe }
  | {
      readonly kind: "if" | "with";
      readonly pipe: Pipe;
      readonly body: readonly Node[];
      readonly other: readonly Node[];
    }
  | {
      readonly kind: "range";
      readonly pipe: Pipe;
      readonly body: readonly Node[];
      readonly other: readonly Node[];
    }
  | { readonly kind: "break" | "continue" };

/** Commands, each fed with the result of the one before; `declares` names the variables that take the last result. */
export interface Pipe {
  readonly declares: readonly string[];
  readonly assigns: boolean;
  readonly commands: readonly Operand[][];
  readonly place: Place;
}

/** Where something stands and how it was written, for messages. */
export interface Place {
  readonly line: number;
  readonly column: number;
  readonly source: string;
}

export type Operand =
  | { readonly kind: "literal"; readonly value: string | number | boolean; readonly place: Place }
  | { readonly kind: "nil"; readonly place: Place }
  | { readonly kind: "dot"; readonly fields: readonly string[]; readonly place: Place }
  | {
      readonly kind: "variable";
      readonly name: string;
      readonly fields: readonly string[];
      readonly place: Place;
    }
  | { readonly kind: "function"; readonly name: string; readonly place: Place }
  | { readonly kind: "pipe"; readonly pipe: Pipe; readonly fields: readonly string[]; readonly place: Place };

const REFUSED = new Set(["define", "template", "block"]);

export function parseTemplate(source: string, name: string): readonly Node[] {
  const parser = new Parser(splitActions(source, name), name);
  return parser.parse();
}

interface Ending {
  readonly nodes: Node[];
  readonly ended: "end" | "else" | "eof";
  /** What follows `else`: another `if` or `with`. */
  readonly next: { readonly keyword: "if" | "with"; readonly pipe: Pipe } | undefined;
}

class Parser {
  readonly #pieces: readonly Piece[];
  readonly #name: string;
  readonly #variables: string[] = ["$"];
  #at = 0;
  #loops = 0;

  constructor(pieces: readonly Piece[], name: string) {
    this.#pieces = pieces;
    this.#name = name;
  }

  parse(): readonly Node[] {
    const { nodes, ended } = this.#nodes();
    if (ended !== "eof") throw parseError(this.#name, this.#line(), `unexpected {{${ended}}}`);
    return nodes;
  }

  #line(): number {
    return this.#pieces[this.#at - 1]?.line ?? 1;
  }

  #nodes(): Ending {
    const nodes: Node[] = [];
    for (;;) {
      const piece = this.#pieces[this.#at++];
      if (piece === undefined) return { nodes, ended: "eof", next: undefined };
      if (piece.kind === "text") {
        nodes.push({ kind: "text", text: piece.text });
        continue;
      }
      const action = new Action(tokenize(piece, this.#name), piece, this.#name, this.#variables);
      const keyword = action.peekWord();
      if (keyword === "end" || keyword === "else") return this.#ending(nodes, keyword, action);
      nodes.push(this.#action(keyword, action));
    }
  }

  #ending(nodes: Node[], keyword: "end" | "else", action: Action): Ending {
    action.skip();
    const word = keyword === "else" ? action.peekWord() : "";
    if (word === "if" || word === "with") {
      action.skip();
      return { nodes, ended: keyword, next: { keyword: word, pipe: action.pipe("if") } };
    }
    action.expectEnd(keyword);
    return { nodes, ended: keyword, next: undefined };
  }

  #action(keyword: string, action: Action): Node {
    if (REFUSED.has(keyword))
      throw parseError(this.#name, this.#line(), `{{${keyword}}} is not supported in a format`);
    switch (keyword) {
      case "if":
      case "with":
      case "range": {
        action.skip();
        const scope = this.#variables.length;
        const node = this.#block(keyword, action.pipe(keyword));
        this.#variables.length = scope;
        return node;
      }
      case "break":
      case "continue":
        action.skip();
        action.expectEnd(keyword);
        if (this.#loops === 0) throw parseError(this.#name, this.#line(), `{{${keyword}}} outside {{range}}`);
        return { kind: keyword };
      default:
        return { kind: "print", pipe: action.pipe("command") };
    }
  }

  #block(kind: "if" | "with" | "range", pipe: Pipe): Node {
    const scope = this.#variables.length;
    if (kind === "range") this.#loops++;
    const { nodes: body, ended, next } = this.#nodes();
    if (kind === "range") this.#loops--;
    this.#variables.length = scope;
    let other: readonly Node[] = [];
    if (ended === "else" && next !== undefined) other = [this.#block(next.keyword, next.pipe)];
    else if (ended === "else") {
      const rest = this.#nodes();
      if (rest.ended !== "end") throw parseError(this.#name, this.#line(), `unexpected {{${rest.ended}}}`);
      other = rest.nodes;
    } else if (ended === "eof") throw parseError(this.#name, this.#line(), "unexpected EOF");
    return { kind, pipe, body, other };
  }
}

/** The words of one action. */
class Action {
  readonly #tokens: readonly Token[];
  readonly #piece: Piece;
  readonly #name: string;
  readonly #variables: string[];
  #at = 0;

  constructor(tokens: readonly Token[], piece: Piece, name: string, variables: string[]) {
    this.#tokens = tokens;
    this.#piece = piece;
    this.#name = name;
    this.#variables = variables;
  }

  peekWord(): string {
    const token = this.#tokens[this.#at];
    return token?.kind === "word" ? token.text : "";
  }

  skip(): void {
    this.#at++;
  }

  #fail(message: string): never {
    throw parseError(this.#name, this.#piece.line, message);
  }

  expectEnd(keyword: string): void {
    const token = this.#tokens[this.#at];
    if (token !== undefined) this.#fail(`unexpected <${token.text}> in ${keyword}`);
  }

  #place(from: Token | undefined): Place {
    const first = from?.at ?? 0;
    const last = this.#tokens[this.#at - 1];
    const end = last === undefined ? this.#piece.text.length : last.at + last.text.length;
    return {
      line: this.#piece.line,
      column: this.#piece.column + first,
      source: this.#piece.text.slice(first, end).trim(),
    };
  }

  /** The whole rest of the action. */
  pipe(context: string): Pipe {
    const pipe = this.#pipe(context);
    const token = this.#tokens[this.#at];
    if (token !== undefined) this.#fail(`unexpected ${JSON.stringify(token.text)} in ${context}`);
    return pipe;
  }

  #pipe(context: string): Pipe {
    const first = this.#tokens[this.#at];
    const { declares, assigns } = this.#declaration(context);
    const commands: Operand[][] = [];
    do commands.push(this.#command(context, commands.length > 0));
    while (this.#take("|"));
    const pipe = { declares, assigns, commands, place: this.#place(first) };
    if (!assigns) this.#variables.push(...declares);
    return pipe;
  }

  #take(kind: Token["kind"]): boolean {
    if (this.#tokens[this.#at]?.kind !== kind) return false;
    this.#at++;
    return true;
  }

  /** `$x :=`, `$x =` or, in a range, `$i, $x :=`. */
  #declaration(context: string): { declares: string[]; assigns: boolean } {
    const [first, second, third, fourth] = this.#tokens.slice(this.#at, this.#at + 4);
    if (first?.kind !== "variable") return { declares: [], assigns: false };
    if (second?.kind === ":=" || second?.kind === "=") {
      this.#at += 2;
      if (second.kind === "=") this.#known(first.text);
      return { declares: [first.text], assigns: second.kind === "=" };
    }
    if (context !== "range" || second?.kind !== "," || third?.kind !== "variable")
      return { declares: [], assigns: false };
    if (fourth?.kind !== ":=" && fourth?.kind !== "=") this.#fail("range can only initialize variables");
    this.#at += 4;
    return { declares: [first.text, third.text], assigns: fourth?.kind === "=" };
  }

  #known(name: string): void {
    if (!this.#variables.includes(name)) this.#fail(`undefined variable ${JSON.stringify(name)}`);
  }

  #command(context: string, isLater: boolean): Operand[] {
    const operands: Operand[] = [];
    for (;;) {
      const token = this.#tokens[this.#at];
      if (token === undefined || token.kind === "|" || token.kind === ")") break;
      operands.push(this.#operand(token));
    }
    const [first] = operands;
    if (first === undefined) this.#fail(`missing value for ${context}`);
    if (isLater && (first.kind === "literal" || first.kind === "nil"))
      this.#fail("non executable command in pipeline stage 2");
    return operands;
  }

  #operand(token: Token): Operand {
    this.#at++;
    switch (token.kind) {
      case "string":
        return { kind: "literal", value: unquote(token.text), place: this.#place(token) };
      case "char":
        return { kind: "literal", value: unquote(token.text).codePointAt(0) ?? 0, place: this.#place(token) };
      case "number":
        return { kind: "literal", value: Number(token.text.replaceAll("_", "")), place: this.#place(token) };
      case "dot":
        return { kind: "dot", fields: [], place: this.#place(token) };
      case "field": {
        const fields = [token.text.slice(1), ...this.#fields()];
        return { kind: "dot", fields, place: this.#place(token) };
      }
      case "variable": {
        this.#known(token.text);
        const fields = this.#fields();
        return { kind: "variable", name: token.text, fields, place: this.#place(token) };
      }
      case "(": {
        const pipe = this.#pipe("parenthesized pipeline");
        if (!this.#take(")")) this.#fail("unclosed left paren");
        const fields = this.#fields();
        return { kind: "pipe", pipe, fields, place: this.#place(token) };
      }
      case "word":
        if (token.text === "true" || token.text === "false")
          return { kind: "literal", value: token.text === "true", place: this.#place(token) };
        if (token.text === "nil") return { kind: "nil", place: this.#place(token) };
        if (!isFunctionName(token.text)) this.#fail(`function ${JSON.stringify(token.text)} not defined`);
        return { kind: "function", name: token.text, place: this.#place(token) };
      case ")":
      case "|":
      case ",":
      case ":=":
      case "=":
        return this.#fail(`unexpected ${JSON.stringify(token.text)} in operand`);
    }
  }

  /** Fields that follow without a blank. */
  #fields(): string[] {
    const fields: string[] = [];
    for (;;) {
      const token = this.#tokens[this.#at];
      const before = this.#tokens[this.#at - 1];
      if (token?.kind !== "field" || before === undefined || before.at + before.text.length !== token.at)
        return fields;
      fields.push(token.text.slice(1));
      this.#at++;
    }
  }
}
