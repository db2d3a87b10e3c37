/** The ids that a user may give to user namespaces: /etc/subuid and /etc/subgid, subuid(5). */
import { fail } from "../base/errors.ts";
import type { IdMapping } from "../specs/oci-runtime/spec.ts";
import { idMapText } from "./id-maps.ts";

export interface IdRange {
  readonly first: number;
  readonly count: number;
}

export interface RangeOwner {
  readonly name: string;
  readonly id: number;
}

const LAST_ID = 0xffff_fffe;

/**
 * The ranges of one user, in the file's order; his lines begin with his name or his number. Throws `invalid_argument` for
 * a line of his that makes no sense, and for one that gives him the host's root.
 */
export function rangesOf(text: string, owner: RangeOwner): readonly IdRange[] {
  const ranges: IdRange[] = [];
  for (const line of text.split("\n")) {
    const [name = "", first = "", count = "", ...more] = line.trim().split(":");
    if (name !== owner.name && name !== String(owner.id)) continue;
    const range = { first: numberIn(first), count: numberIn(count) };
    const isSound = more.length === 0 && range.count > 0 && range.first + range.count - 1 <= LAST_ID;
    if (!isSound)
      throw fail(
        "invalid_argument",
        `the line ${JSON.stringify(line.slice(0, 200))} is not NAME:FIRST:COUNT`,
      );
    if (range.first === 0)
      throw fail("invalid_argument", `the line ${JSON.stringify(line)} would hand out the host's root`);
    ranges.push(range);
  }
  return ranges;
}

/** The mapping that has these ids one after the other from 0 on. Throws `invalid_argument` when they overlap. */
export function mappingOf(ranges: readonly IdRange[]): readonly IdMapping[] {
  let containerID = 0;
  const mappings = ranges.map(({ first, count }) => {
    const mapping = { containerID, hostID: first, size: count };
    containerID += count;
    return mapping;
  });
  idMapText(mappings);
  return mappings;
}

/** Where `count` ids are free that no line of the file, whoever's it is, has: from `lowest` on. */
export function freeRange(text: string, lowest: number, count: number): IdRange {
  const taken = text
    .split("\n")
    .map((line) => line.trim().split(":"))
    .map(([, first = "", size = ""]) => ({ first: numberIn(first), end: numberIn(first) + numberIn(size) }))
    .filter(({ first, end }) => end > first)
    .toSorted((a, b) => a.first - b.first);
  let start = lowest;
  for (const { first, end } of taken) if (first < start + count && end > start) start = end;
  if (start + count - 1 > LAST_ID) throw fail("unavailable", `there are no ${count} subordinate ids left`);
  return { first: start, count };
}

/** NaN for what is no id. */
function numberIn(text: string): number {
  return /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
}
