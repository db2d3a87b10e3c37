/** Paths inside an archive: names that members call each other by, never paths of the host. */
import { fail } from "../../base/errors.ts";

/** A link to a link to …: more than any archive has a use for. */
const MAX_LINKS = 10;

/** The path without ".", empty parts and a leading slash; throws `invalid_argument` for one that climbs out. */
export function normalizeName(name: string): string {
  const parts: string[] = [];
  for (const part of name.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") {
      if (parts.pop() === undefined) throw outside(name);
    } else parts.push(part);
  }
  return parts.join("/");
}

/** What the symbolic link `name` points at: relative targets start at its directory, absolute ones at the archive's root. */
export function linkTarget(name: string, linkName: string): string {
  return normalizeName(linkName.startsWith("/") ? linkName : `${name}/../${linkName}`);
}

/** The member that a path leads to, following links; undefined when there is none. */
export function follow<T>(
  path: string,
  members: ReadonlyMap<string, T>,
  links: ReadonlyMap<string, string>,
): T | undefined {
  let current = normalizeName(path);
  for (let depth = 0; depth <= MAX_LINKS; depth++) {
    const member = members.get(current);
    if (member !== undefined) return member;
    const target = links.get(current);
    if (target === undefined) return undefined;
    current = target;
  }
  throw fail("invalid_argument", `archive member "${path}": too many levels of symbolic links`);
}

function outside(name: string): Error {
  return fail("invalid_argument", `archive member "${name.slice(0, 200)}" is outside of the archive`);
}
