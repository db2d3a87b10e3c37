/** GET /networks: Docker's filters. Values of one key are alternatives, except labels, which must all match. Pure. */
import { fail } from "../../base/errors.ts";
import { isPredefined, type NetworkRecord } from "../../core/network/network-record.ts";
import type { Filters } from "../../specs/engine/container.ts";
import { matchesLabel, matchesName } from "../containers/list-filters.ts";

/** In the order of their names. `isUsed`: somebody is in it. Throws `invalid_argument` for values that no network can have. */
export function filterNetworks(
  networks: readonly NetworkRecord[],
  filters: Filters,
  isUsed: (network: NetworkRecord) => boolean,
): readonly NetworkRecord[] {
  const dangling = danglingFilter(filters.get("dangling") ?? []);
  checkTypes(filters.get("type") ?? []);
  const isAny = (key: string, test: (value: string) => boolean): boolean => {
    const values = filters.get(key) ?? [];
    return values.length === 0 || values.some(test);
  };
  return networks
    .filter((network) => {
      const { name, id, driver, labels } = network;
      const isBuiltin = isPredefined(name);
      return (
        (dangling === undefined || dangling === (!isBuiltin && !isUsed(network))) &&
        isAny("driver", (value) => value === driver) &&
        isAny("id", (value) => id.includes(value)) &&
        isAny("name", (value) => matchesName(name, value)) &&
        isAny("scope", (value) => value === "local") &&
        isAny("type", (value) => (value === "builtin") === isBuiltin) &&
        (filters.get("label") ?? []).every((value) => matchesLabel(labels, value))
      );
    })
    .sort((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)));
}

function danglingFilter(values: readonly string[]): boolean | undefined {
  const [value, ...more] = values;
  if (more.length > 0) throw fail("invalid_argument", 'got more than one value for filter key "dangling"');
  if (value === undefined) return undefined;
  if (value === "1" || value === "true") return true;
  if (value === "0" || value === "false") return false;
  throw fail(
    "invalid_argument",
    `invalid value for filter 'dangling', must be "true" (or "1"), or "false" (or "0")`,
  );
}

function checkTypes(types: readonly string[]): void {
  for (const type of types)
    if (type !== "builtin" && type !== "custom")
      throw fail("invalid_argument", `invalid filter: 'type'='${type}'`);
}
