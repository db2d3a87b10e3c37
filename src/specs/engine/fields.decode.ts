/**
 * Reading untrusted JSON as Docker does: absent and null are a field's default, unknown fields are ignored, keys match
 * exactly or else by case-folding (Go's decoder). Two keys that differ only in case are refused: which of them counts
 * would depend on the reader. Wrong types are refused with the field's path. A `Probe` is read as a document that has
 * everything: so decoders tell what they read (probe.ts).
 */
import { fail, type GantryError } from "../../base/errors.ts";
import { Probe } from "./probe.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

const DEPTH_LIMIT = 200;

/** Parses one JSON document of at most 200 levels. Throws `invalid_argument`. */
export function parseJson(text: string): unknown {
  checkDepth(text);
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch (cause) {
    throw fail(
      "invalid_argument",
      `invalid JSON: ${cause instanceof Error ? cause.message : "syntax error"}`,
    );
  }
}

function checkDepth(text: string): void {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (inString) {
      if (c === 0x5c) i++;
      else if (c === 0x22) inString = false;
    } else if (c === 0x22) inString = true;
    else if (c === 0x7b || c === 0x5b) {
      if (++depth > DEPTH_LIMIT)
        throw fail("invalid_argument", `invalid JSON: more than ${DEPTH_LIMIT} levels`);
    } else if (c === 0x7d || c === 0x5d) depth--;
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

export function wrongType(path: string, wanted: string, value: unknown): GantryError {
  return fail("invalid_argument", `invalid JSON: field "${path}" must be ${wanted}, not ${kindOf(value)}`);
}

/** A map keyed by users: without a prototype, so that no key means anything. */
export function emptyMap<T>(): Record<string, T> {
  const map: Record<string, T> = Object.create(null);
  return map;
}

/** One JSON object; every getter takes Docker's own key. */
export class Fields {
  readonly path: string;
  readonly #values = new Map<string, unknown>();
  readonly #probe: Probe | undefined;

  constructor(value: unknown, path: string) {
    if (value instanceof Probe) {
      value.is({ type: "object" });
      this.path = path;
      this.#probe = value;
      return;
    }
    if (!isObject(value)) throw wrongType(path === "" ? "(document)" : path, "an object", value);
    this.path = path;
    for (const key of Object.keys(value)) {
      const folded = key.toLowerCase();
      if (this.#values.has(folded)) {
        const other = Object.keys(value).find((name) => name.toLowerCase() === folded);
        throw fail("invalid_argument", `invalid JSON: fields "${other}" and "${key}" differ only in case`);
      }
      this.#values.set(folded, value[key]);
    }
  }

  at(key: string): string {
    return this.path === "" ? key : `${this.path}.${key}`;
  }

  /** The raw value; undefined when absent or null. */
  raw(key: string): unknown {
    if (this.#probe !== undefined) return this.#probe.property(key);
    return this.#values.get(key.toLowerCase()) ?? undefined;
  }

  has(key: string): boolean {
    return this.#probe === undefined && this.raw(key) !== undefined;
  }

  str(key: string, fallback = ""): string {
    const value = this.raw(key);
    return value === undefined ? fallback : asString(value, this.at(key));
  }

  bool(key: string): boolean {
    return this.boolOrNull(key) ?? false;
  }

  boolOrNull(key: string): boolean | null {
    const value = this.raw(key);
    if (value === undefined) return null;
    if (value instanceof Probe) return value.answer({ type: "boolean" }, false);
    if (typeof value !== "boolean") throw wrongType(this.at(key), "true or false", value);
    return value;
  }

  /** An integer that a double holds exactly: |n| <= 2^53-1. */
  int(key: string): number {
    return this.intOrNull(key) ?? 0;
  }

  intOrNull(key: string): number | null {
    const value = this.raw(key);
    return value === undefined ? null : asInt(value, this.at(key));
  }

  object(key: string): Fields | null {
    const value = this.raw(key);
    return value === undefined ? null : new Fields(value, this.at(key));
  }

  list<T>(key: string, item: (value: unknown, path: string) => T): T[] | null {
    const value = this.raw(key);
    return value === undefined ? null : asList(value, this.at(key), item);
  }

  strings(key: string): string[] | null {
    return this.list(key, asString);
  }

  /** A list of strings, or one string that stands for a list of one (entry points and commands). */
  stringsOrOne(key: string): string[] | null {
    const value = this.raw(key);
    if (typeof value === "string") return [value];
    const strings = this.strings(key);
    if (value instanceof Probe)
      value.is({ oneOf: [{ type: "array", items: { type: "string" } }, { type: "string" }] });
    return strings;
  }

  /** Keys are the user's: kept as they are, no case-folding. */
  map<T>(key: string, item: (value: unknown, path: string) => T): Record<string, T> | null {
    const value = this.raw(key);
    return value === undefined ? null : asMap(value, this.at(key), item);
  }

  stringMap(key: string): Record<string, string> | null {
    return this.map(key, asString);
  }

  /** A Go set: keys count, values are empty objects. */
  set(key: string): Record<string, Record<string, never>> | null {
    return this.map(key, () => ({}));
  }

  oneOf<T extends string>(key: string, allowed: readonly T[], message: (value: string) => string): T {
    const value = this.str(key);
    const [first] = allowed;
    const raw = this.raw(key);
    if (raw instanceof Probe && first !== undefined)
      return raw.answer({ type: "string", enum: allowed }, first);
    for (const candidate of allowed) if (candidate === value) return candidate;
    throw fail("invalid_argument", message(value));
  }
}

export function asString(value: unknown, path: string): string {
  if (value === null) return "";
  if (value instanceof Probe) return value.answer({ type: "string" }, "");
  if (typeof value !== "string") throw wrongType(path, "a string", value);
  return value;
}

export function asInt(value: unknown, path: string): number {
  if (value === null) return 0;
  if (value instanceof Probe) return value.answer({ type: "integer" }, 0);
  if (typeof value !== "number") throw wrongType(path, "an integer", value);
  if (!Number.isSafeInteger(value))
    throw fail("invalid_argument", `invalid JSON: field "${path}" must be an integer of at most 53 bits`);
  return value === 0 ? 0 : value;
}

export function asList<T>(value: unknown, path: string, item: (value: unknown, path: string) => T): T[] {
  if (value instanceof Probe) return value.items((inner) => item(inner, `${path}[]`));
  if (!Array.isArray(value)) throw wrongType(path, "a list", value);
  return value.map((entry: unknown, index) => item(entry, `${path}[${index}]`));
}

export function asMap<T>(
  value: unknown,
  path: string,
  item: (value: unknown, path: string) => T,
): Record<string, T> {
  const map = emptyMap<T>();
  if (value instanceof Probe) {
    value.value((inner) => item(inner, `${path}[]`));
    return map;
  }
  if (!isObject(value)) throw wrongType(path, "an object", value);
  for (const [key, entry] of Object.entries(value)) map[key] = item(entry, `${path}["${key}"]`);
  return map;
}
