/** What templates work on. */

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
