/**
 * A request's body in the one form that an authorization plugin and the engine both read: keys spelled as the engine's decoder
 * spells them, none twice. Go's JSON and this engine's take a key in any case; a plugin's may not, and would then judge another
 * request than the one that is carried out.
 */
import { fail } from "../../base/errors.ts";
import { emptyMap } from "../../specs/engine/fields.decode.ts";
import type { Schema } from "../../specs/engine/probe.ts";

/** Throws `invalid_argument` when two keys are the same. What the decoder does not know stays as it is. */
export function canonicalBody(value: unknown, schema: Schema): unknown {
  if (Array.isArray(value)) {
    const item = itemSchema(schema);
    return value.map((entry: unknown) => canonicalBody(entry, item));
  }
  if (typeof value !== "object" || value === null) return value;
  const known = new Map(Object.keys(schema.properties ?? {}).map((key) => [key.toLowerCase(), key]));
  const body = emptyMap<unknown>();
  for (const [key, entry] of Object.entries(value)) {
    const name = known.get(key.toLowerCase()) ?? key;
    if (Object.hasOwn(body, name))
      throw fail("invalid_argument", `invalid JSON: field "${name.slice(0, 100)}" is there more than once`);
    body[name] = canonicalBody(entry, schema.properties?.[name] ?? schema.additionalProperties ?? {});
  }
  return body;
}

/** Also where one value stands for a list of one. */
function itemSchema({ items, oneOf }: Schema): Schema {
  return items ?? oneOf?.find((one) => one.items !== undefined)?.items ?? {};
}
