/** Fields of config.json: absent or null is absent, integers have ranges, text has no NUL. */
import { asString, Fields } from "../engine/fields.decode.ts";
import { asBigInt } from "../exact-json.ts";
import { checkAbsolute, invalid, unsupported } from "./refusal.ts";

type Defined<T> = {
  [K in keyof T as undefined extends T[K] ? never : K]: T[K];
} & { [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> };

/** Leaves out what is undefined: in a Spec, as in the document, an absent field is absent. */
export function defined<T extends object>(values: T): Defined<T>;
export function defined(values: object): object {
  const present: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(values)) if (value !== undefined) present[key] = value;
  return present;
}

// ---- text: what goes to the kernel ends at the first NUL there, so none may be in it ----

export function cleanText(value: unknown, path: string): string {
  const text = asString(value, path);
  if (text.includes("\0")) throw invalid(path, "has a NUL byte in it");
  return text;
}

export function text(fields: Fields, key: string): string | undefined {
  return fields.has(key) ? cleanText(fields.raw(key), fields.at(key)) : undefined;
}

/** Missing and empty are the same fault. */
export function requiredText(fields: Fields, key: string): string {
  const value = text(fields, key) ?? "";
  if (value === "") throw invalid(fields.at(key), "is missing or empty");
  return value;
}

export function strings(fields: Fields, key: string): string[] | undefined {
  const value = fields.raw(key);
  // Hundreds of system calls: without a path made for each, which only an error needs.
  if (Array.isArray(value) && value.every(isCleanText)) return value;
  return fields.list(key, cleanText) ?? undefined;
}

function isCleanText(value: unknown): value is string {
  return typeof value === "string" && !value.includes("\0");
}

export function oneOf<T extends string>(fields: Fields, key: string, allowed: readonly T[]): T {
  return fields.oneOf(
    key,
    allowed,
    (value) => `config.json: ${fields.at(key)} cannot be "${value.slice(0, 100)}"`,
  );
}

// ---- numbers ----

export function boolean(fields: Fields, key: string): boolean | undefined {
  return fields.boolOrNull(key) ?? undefined;
}

export function integer(fields: Fields, key: string): number | undefined {
  return fields.intOrNull(key) ?? undefined;
}

/** Without a number there is no way to go on. */
export function required<T>(fields: Fields, key: string, value: T | undefined): T {
  if (value === undefined) throw invalid(fields.at(key), "is missing");
  return value;
}

export function integerIn(fields: Fields, key: string, least: number, most: number): number | undefined {
  const value = integer(fields, key);
  if (value !== undefined) checkRange(fields.at(key), value, least, most);
  return value;
}

function checkRange(
  path: string,
  value: number | bigint,
  least: number | bigint,
  most: number | bigint,
): void {
  if (value < least || value > most) throw invalid(path, `${value} is not between ${least} and ${most}`);
}

export function u32(fields: Fields, key: string): number | undefined {
  return integerIn(fields, key, 0, 0xffffffff);
}

/** A user or group id: the last number means "nobody" to the kernel. */
export function id(fields: Fields, key: string): number | undefined {
  return integerIn(fields, key, 0, 0xfffffffe);
}

export function big(fields: Fields, key: string): bigint | undefined {
  return fields.has(key) ? asBigInt(fields.raw(key), fields.at(key)) : undefined;
}

export function u64(fields: Fields, key: string): bigint | undefined {
  const value = big(fields, key);
  if (value !== undefined) checkRange(fields.at(key), value, 0n, (1n << 64n) - 1n);
  return value;
}

export function i64(fields: Fields, key: string): bigint | undefined {
  const value = big(fields, key);
  if (value !== undefined) checkRange(fields.at(key), value, -(1n << 63n), (1n << 63n) - 1n);
  return value;
}

// ---- structure ----

export function child<T>(fields: Fields, key: string, decode: (fields: Fields) => T): T | undefined {
  const inner = fields.object(key);
  return inner === null ? undefined : decode(inner);
}

export function children<T>(fields: Fields, key: string, decode: (fields: Fields) => T): T[] | undefined {
  return fields.list(key, (value, path) => decode(new Fields(value, path))) ?? undefined;
}

/** A map whose keys are the document's own. */
export function childMap<T>(
  fields: Fields,
  key: string,
  decode: (fields: Fields) => T,
): Record<string, T> | undefined {
  return fields.map(key, (value, path) => decode(new Fields(value, path))) ?? undefined;
}

export function refuse(fields: Fields, keys: readonly string[]): void {
  for (const key of keys) if (fields.has(key)) throw unsupported(fields.at(key));
}

export function absolutePath(fields: Fields, key: string): string {
  return checkAbsolute(requiredText(fields, key), fields.at(key));
}
