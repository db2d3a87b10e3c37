/** What a mapping of owners is called, and where it has the container's root. */
import { createHash } from "node:crypto";
import { fail } from "../../base/errors.ts";
import type { IdShift } from "./snapshotter.ts";

/** Short enough for a path, and the same for the same text. */
export function shiftKey({ uid, gid }: IdShift): string {
  return createHash("sha256").update(`${uid}/${gid}`).digest("hex").slice(0, 16);
}

/** Where a map of ids has id 0. */
export function rootIn(map: string): number {
  const root = /^0 (\d{1,10}) /m.exec(map)?.[1];
  if (root === undefined) throw fail("invalid_argument", "the id mapping has no root");
  return Number(root);
}
