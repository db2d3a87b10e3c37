/** Reading fields of the engine's JSON documents: what is absent or of another type becomes the empty value. */

export type Fields = Readonly<Record<string, unknown>>;

const NO_FIELDS: Fields = Object.freeze({});

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function fieldsOf(value: unknown): Fields {
  return isFields(value) ? value : NO_FIELDS;
}

function own(fields: Fields, key: string): unknown {
  return Object.hasOwn(fields, key) ? fields[key] : undefined;
}

export function child(fields: Fields, key: string): Fields {
  return fieldsOf(own(fields, key));
}

export function text(fields: Fields, key: string): string {
  const value = own(fields, key);
  return typeof value === "string" ? value : "";
}

export function number(fields: Fields, key: string): number {
  const value = own(fields, key);
  return typeof value === "number" ? value : 0;
}

export function flag(fields: Fields, key: string): boolean {
  return own(fields, key) === true;
}

export function list(fields: Fields, key: string): readonly unknown[] {
  const value = own(fields, key);
  return Array.isArray(value) ? value : [];
}

export function textList(fields: Fields, key: string): string[] {
  return list(fields, key).filter((item): item is string => typeof item === "string");
}

export function children(fields: Fields, key: string): Fields[] {
  return list(fields, key).filter(isFields);
}

/** A map of strings, in the order of the document. */
export function textMap(fields: Fields, key: string): Map<string, string> {
  const map = new Map<string, string>();
  for (const [name, value] of Object.entries(child(fields, key)))
    if (typeof value === "string") map.set(name, value);
  return map;
}
