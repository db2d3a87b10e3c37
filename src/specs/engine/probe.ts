/**
 * What a decoder reads, found out by having it read. A probe stands for a JSON value that has whatever is asked of it; `Fields`
 * and its kin note there what that was. So the description of a document and its decoder cannot differ.
 */

/** A part of JSON Schema. */
export interface Schema {
  readonly type?: "object" | "array" | "string" | "integer" | "boolean";
  readonly enum?: readonly string[];
  readonly oneOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
}

export class Probe {
  #own: Schema = {};
  readonly #properties = new Map<string, Probe>();
  #items: Probe | undefined;
  #values: Probe | undefined;

  /** The last word counts: a decoder may look more than once. */
  is(schema: Schema): void {
    this.#own = schema;
  }

  answer<T>(schema: Schema, value: T): T {
    this.is(schema);
    return value;
  }

  property(key: string): Probe {
    const known = this.#properties.get(key);
    if (known !== undefined) return known;
    const property = new Probe();
    this.#properties.set(key, property);
    return property;
  }

  /** Two items, enough for whoever reads pairs; none where the reader wants more of one than a probe can be. */
  items<T>(read: (inner: Probe) => T): T[] {
    this.is({ type: "array" });
    this.#items = new Probe();
    try {
      const one = read(this.#items);
      return [one, one];
    } catch {
      return []; // what it reads it has said by then
    }
  }

  value<T>(read: (inner: Probe) => T): T {
    this.is({ type: "object" });
    this.#values = new Probe();
    return read(this.#values);
  }

  schema(): Schema {
    const { type } = this.#own;
    if (type === "array") return { type, items: this.#items?.schema() ?? {} };
    if (type !== "object") return this.#own;
    if (this.#properties.size === 0)
      return this.#values === undefined ? { type } : { type, additionalProperties: this.#values.schema() };
    return {
      type,
      properties: Object.fromEntries([...this.#properties].map(([key, probe]) => [key, probe.schema()])),
    };
  }
}

/** What `decode` reads of a document. */
export function schemaOf(decode: (document: unknown) => unknown): Schema {
  const probe = new Probe();
  decode(probe);
  return probe.schema();
}
