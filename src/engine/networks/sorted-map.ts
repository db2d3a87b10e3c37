import { emptyMap } from "../../specs/engine/fields.decode.ts";

/** Docker writes maps in the order of their keys. */
export function sortedMap<T>(entries: Iterable<readonly [string, T]>): Readonly<Record<string, T>> {
  const map = emptyMap<T>();
  for (const [key, value] of [...entries].sort(([a], [b]) => (a < b ? -1 : Number(a > b)))) map[key] = value;
  return map;
}
