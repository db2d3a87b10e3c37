/** Running a parsed template over JSON values and list rows. */
import { isFields } from "../../client/fields.ts";
import { TemplateError } from "./template-error.ts";
import { callFunction, isTrue } from "./template-functions.ts";
import type { Node, Operand, Pipe, Place } from "./template-parse.ts";
import { printValue } from "./template-print.ts";
import { isOpenMap, isRecord, ownName } from "./template-value.ts";

export interface EvaluateOptions {
  readonly name: string;
  readonly headers: boolean;
}

/** Templates come from the user, but a range inside ranges can still be a mistake that never ends usefully. */
const MAX_OUTPUT = 64 * 1024 * 1024;

type Signal = "break" | "continue" | undefined;

export function evaluate(nodes: readonly Node[], data: unknown, options: EvaluateOptions): string {
  return new Run(data, options).render(nodes);
}

class Run {
  readonly #options: EvaluateOptions;
  readonly #root: unknown;
  /** Innermost last. */
  readonly #variables: { readonly name: string; value: unknown }[];
  #output = "";

  constructor(root: unknown, options: EvaluateOptions) {
    this.#root = root;
    this.#options = options;
    this.#variables = [{ name: "$", value: root }];
  }

  render(nodes: readonly Node[]): string {
    this.#walk(nodes, this.#root);
    return this.#output;
  }

  #write(text: string): void {
    this.#output += text;
    if (this.#output.length > MAX_OUTPUT)
      throw new TemplateError("execute", "the template's output is too long");
  }

  #walk(nodes: readonly Node[], dot: unknown): Signal {
    for (const node of nodes) {
      const signal = this.#node(node, dot);
      if (signal !== undefined) return signal;
    }
    return undefined;
  }

  #node(node: Node, dot: unknown): Signal {
    switch (node.kind) {
      case "text":
        this.#write(node.text);
        return undefined;
      case "print": {
        const value = this.#pipe(node.pipe, dot);
        if (node.pipe.declares.length === 0)
          this.#write(value === null ? printNull(node.pipe) : printValue(value));
        return undefined;
      }
      case "if":
      case "with": {
        const scope = this.#variables.length;
        const value = this.#pipe(node.pipe, dot);
        const signal = isTrue(value)
          ? this.#walk(node.body, node.kind === "with" ? value : dot)
          : this.#walk(node.other, dot);
        this.#variables.length = scope;
        return signal;
      }
      case "range":
        return this.#range(node, dot);
      case "break":
      case "continue":
        return node.kind;
    }
  }

  #range(node: Node & { readonly kind: "range" }, dot: unknown): Signal {
    const scope = this.#variables.length;
    const value = this.#commands(node.pipe, dot);
    const entries = this.#entries(value, node.pipe.place);
    for (const [key, item] of entries) {
      this.#variables.length = scope;
      const { declares } = node.pipe;
      if (declares.length === 1) this.#declare(node.pipe, [item]);
      else if (declares.length === 2) this.#declare(node.pipe, [key, item]);
      if (this.#walk(node.body, item) === "break") break;
    }
    this.#variables.length = scope;
    return entries.length === 0 ? this.#walk(node.other, dot) : undefined;
  }

  #entries(value: unknown, place: Place): (readonly [unknown, unknown])[] {
    if (value === null || value === undefined) return [];
    if (Array.isArray(value)) return [...value.entries()];
    if (typeof value === "number" && Number.isInteger(value))
      return Array.from({ length: Math.max(0, value) }, (_, at) => [at, at] as const);
    if (isFields(value) && !isRecord(value)) {
      const keys = Object.keys(value).sort();
      return keys.map((key) => [key, value[key]] as const);
    }
    throw this.#fail(place, `range can't iterate over ${printValue(value)}`);
  }

  #fail(place: Place, message: string): TemplateError {
    const { name } = this.#options;
    return new TemplateError(
      "execute",
      `template: ${name}:${place.line}:${place.column}: executing ${JSON.stringify(name)} at <${place.source}>: ${message}`,
    );
  }

  #declare(pipe: Pipe, values: readonly unknown[]): void {
    for (const [at, name] of pipe.declares.entries()) {
      const value = values[at];
      const existing = pipe.assigns
        ? this.#variables.findLast((variable) => variable.name === name)
        : undefined;
      if (existing === undefined) this.#variables.push({ name, value });
      else existing.value = value;
    }
  }

  #pipe(pipe: Pipe, dot: unknown): unknown {
    const value = this.#commands(pipe, dot);
    if (pipe.declares.length > 0) this.#declare(pipe, [value]);
    return value;
  }

  #commands(pipe: Pipe, dot: unknown): unknown {
    let value: unknown;
    for (const [at, command] of pipe.commands.entries()) {
      const final = at === 0 ? [] : [value];
      value = this.#command(command, dot, final);
    }
    return value;
  }

  #command(command: readonly Operand[], dot: unknown, final: readonly unknown[]): unknown {
    const [first, ...rest] = command;
    if (first === undefined) return undefined;
    if (first.kind === "function") {
      if (first.name === "and" || first.name === "or")
        return this.#shortCircuit(first.name, rest, dot, final);
      const values = [...rest.map((operand) => this.#operand(operand, dot)), ...final];
      try {
        return callFunction(first.name, values, this.#options.headers);
      } catch (error) {
        if (!(error instanceof Error) || error instanceof TemplateError) throw error;
        const source = [first, ...rest].map((operand) => operand.place.source).join(" ");
        throw this.#fail({ ...first.place, source }, `error calling ${first.name}: ${error.message}`);
      }
    }
    const values = [...rest.map((operand) => this.#operand(operand, dot)), ...final];
    if (values.length === 0) return this.#operand(first, dot);
    if (first.kind === "dot" || first.kind === "variable") {
      const looked = this.#lookup(first, dot, values);
      if (looked !== undefined) return looked;
    }
    throw this.#fail(first.place, `can't give argument to non-function ${first.place.source}`);
  }

  /** `.Label "name"`. */
  #lookup(
    operand: Operand & { fields: readonly string[] },
    dot: unknown,
    values: readonly unknown[],
  ): string | undefined {
    const owner = this.#fields(
      operand.kind === "variable" ? this.#variable(operand.name) : dot,
      operand.fields.slice(0, -1),
      operand.place,
    );
    const [argument] = values;
    if (!isRecord(owner) || values.length !== 1 || typeof argument !== "string") return undefined;
    return owner.lookups.get(operand.fields.at(-1) ?? "")?.(argument);
  }

  #shortCircuit(
    name: "and" | "or",
    rest: readonly Operand[],
    dot: unknown,
    final: readonly unknown[],
  ): unknown {
    let value: unknown;
    for (const operand of rest) {
      value = this.#operand(operand, dot);
      if (isTrue(value) === (name === "or")) return value;
    }
    return final.length > 0 ? final[0] : value;
  }

  #variable(name: string): unknown {
    return this.#variables.findLast((variable) => variable.name === name)?.value;
  }

  #operand(operand: Operand, dot: unknown): unknown {
    switch (operand.kind) {
      case "literal":
        return operand.value;
      case "nil":
        return null;
      case "dot":
        return this.#fields(dot, operand.fields, operand.place);
      case "variable":
        return this.#fields(this.#variable(operand.name), operand.fields, operand.place);
      case "function":
        return this.#command([operand], dot, []);
      case "pipe":
        return this.#fields(this.#pipe(operand.pipe, dot), operand.fields, operand.place);
    }
  }

  #fields(start: unknown, names: readonly string[], place: Place): unknown {
    let value = start;
    // Go names the place where a chain of fields begins, behind the first name.
    const chain = { ...place, column: place.column + chainStart(place.source) };
    for (const [at, name] of names.entries()) {
      const next = isRecord(value) ? names[at + 1] : undefined;
      value = this.#field(value, name, names.length > 1 ? chain : place);
      if (next !== undefined) throw this.#fail(chain, `can't evaluate field ${next} in type string`);
    }
    return value;
  }

  #field(owner: unknown, name: string, place: Place): unknown {
    if (isRecord(owner)) {
      const field = owner.fields.get(name);
      if (field !== undefined) return field();
      if (owner.lookups.has(name)) throw this.#fail(place, `wrong number of args for ${name}: want 1 got 0`);
      throw this.#fail(place, `can't evaluate field ${name} in type ${owner.typeName}`);
    }
    if (isFields(owner)) {
      const own = ownName(owner, name);
      if (own !== undefined) return owner[own];
      if (isOpenMap(owner)) return undefined;
      throw this.#fail(place, `map has no entry for key ${JSON.stringify(name)}`);
    }
    if (owner === null || owner === undefined)
      throw this.#fail(place, `nil pointer evaluating interface {}.${name}`);
    throw this.#fail(place, `can't evaluate field ${name} in type interface {}`);
  }
}

function chainStart(source: string): number {
  return Math.max(0, source.indexOf(".", 1));
}

/** Lists and maps of the engine's documents that may be null; Go prints those without their type's name as empty ones. */
const LISTS = new Set(
  "Env Cmd Entrypoint OnBuild Shell Args Binds CapAdd CapDrop Dns DnsOptions DnsSearch ExtraHosts GroupAdd Links SecurityOpt VolumesFrom Mounts ExecIDs Devices DeviceRequests DeviceCgroupRules Ulimits MaskedPaths ReadonlyPaths RepoTags RepoDigests Layers Warnings Aliases DNSNames".split(
    " ",
  ),
);
const MAPS = new Set(
  "Labels Volumes ExposedPorts PortBindings Ports Config Options DriverOpts Sysctls Tmpfs StorageOpt Annotations".split(
    " ",
  ),
);

function printNull(pipe: Pipe): string {
  const last = pipe.commands.at(-1)?.at(-1);
  const field = last !== undefined && "fields" in last ? (last.fields.at(-1) ?? "") : "";
  if (LISTS.has(field)) return "[]";
  return MAPS.has(field) ? "map[]" : "<nil>";
}
