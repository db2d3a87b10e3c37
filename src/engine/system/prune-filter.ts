/** `until`, `label` and `label!` of every prune, as Docker reads them. */
import { fail } from "../../base/errors.ts";
import type { Filters } from "../../specs/engine/container.ts";
import { matchesLabel } from "../containers/list-filters.ts";
import { nowNs } from "../containers/timestamp.ts";
import { parseTime } from "./time-filter.ts";

export interface Prunable {
  /** undefined = it does not say: then nothing is known to be older. */
  readonly createdNs: bigint | undefined;
  readonly labels: Readonly<Record<string, string>>;
}

/** A thing must have all of `label` to go, and stays when it has all of `label!`. Throws `invalid_argument`. */
export function pruneFilter(filters: Filters): (thing: Prunable) => boolean {
  const [until, ...more] = filters.get("until") ?? [];
  if (more.length > 0) throw fail("invalid_argument", "more than one until filter specified");
  const limit = until === undefined ? undefined : parseTime(until, nowNs());
  const wanted = filters.get("label") ?? [];
  const unwanted = filters.get("label!") ?? [];
  return ({ createdNs, labels }) =>
    (limit === undefined || (createdNs !== undefined && createdNs <= limit)) &&
    wanted.every((label) => matchesLabel(labels, label)) &&
    !(unwanted.length > 0 && unwanted.every((label) => matchesLabel(labels, label)));
}
