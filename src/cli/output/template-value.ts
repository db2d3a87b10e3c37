/** What templates work on. */
import type { Fields } from "../../client/fields.ts";

/** A row of a list: its fields are computed when asked for. */
export interface TemplateRecord {
  readonly kind: "record";
  readonly typeName: string;
  readonly fields: ReadonlyMap<string, () => string>;
  /** Fields with an argument, such as `.Label "name"`. */
  readonly lookups: ReadonlyMap<string, (argument: string) => string>;
}

export function isRecord(value: unknown): value is TemplateRecord {
  return (
    typeof value === "object" &&
    value !== null &&
    "kind" in value &&
    "lookups" in value &&
    value.kind === "record"
  );
}

const OPEN = Symbol("keys that nobody knows beforehand");

/** A map in which a key that is absent is no mistake of the template's: such as the attributes of an event. */
export function openMap(fields: Fields): Fields {
  const map = Object.assign(Object.create(null), fields);
  return Object.defineProperty(map, OPEN, { value: true, enumerable: false });
}

export function isOpenMap(fields: Fields): boolean {
  return OPEN in fields;
}
