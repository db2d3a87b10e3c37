/**
 * The `filters` query parameter: {"key":["value"]}, or the older {"key":{"value":true}}. At most 1,000 values of each
 * key: every value is compared with every item of a list.
 */
import { fail } from "../../base/errors.ts";
import type { Filters } from "./container.ts";
import { parseJson } from "./fields.decode.ts";

const VALUES_LIMIT = 1000;

/** Throws `invalid_argument` for a malformed text or a key that is not in `accepted`. */
export function decodeFilters(text: string, accepted: readonly string[]): Filters {
  const filters = new Map<string, readonly string[]>();
  if (text === "") return filters;
  let document: unknown;
  try {
    document = parseJson(text);
  } catch {
    throw fail("invalid_argument", "invalid filter");
  }
  if (document === null) return filters;
  if (typeof document !== "object" || Array.isArray(document))
    throw fail("invalid_argument", "invalid filter");
  for (const [key, value] of Object.entries(document)) {
    if (!accepted.includes(key)) throw fail("invalid_argument", `invalid filter '${key}'`);
    filters.set(key, decodeValues(value));
  }
  return filters;
}

function decodeValues(value: unknown): readonly string[] {
  let values: string[];
  if (Array.isArray(value)) {
    values = value.map((entry: unknown) => {
      if (typeof entry !== "string") throw fail("invalid_argument", "invalid filter");
      return entry;
    });
  } else if (typeof value === "object" && value !== null) {
    values = Object.entries(value).flatMap(([entry, on]: [string, unknown]) => (on === true ? [entry] : []));
  } else throw fail("invalid_argument", "invalid filter");
  if (values.length > VALUES_LIMIT)
    throw fail("invalid_argument", `more than ${VALUES_LIMIT} values in a filter`);
  return values;
}

/** A yes/no filter such as `dangling`; undefined when absent. */
export function booleanFilter(filters: Filters, key: string): boolean | undefined {
  const values = filters.get(key);
  if (values === undefined || values.length === 0) return undefined;
  const yes = values.some((value) => /^(1|t|true)$/i.test(value));
  const no = values.some((value) => /^(0|f|false)$/i.test(value));
  if (yes === no) throw fail("invalid_argument", `invalid filter '${key}=[${values.join(" ")}]'`);
  return yes;
}
