/**
 * Whose a link is. Everything of ours has an alias (IFLA_IFALIAS) that says for what it was made, and a name that nobody else
 * gives; a link that has such a name and no alias yet is one whose maker was killed on the way.
 */
import { fail, messageOf } from "../../base/errors.ts";
import type { Native } from "../native.ts";
import { accepted, exchange, NetlinkError, type Outcome, PROTOCOL } from "./exchange.ts";
import { findLink, type Link, listLinks } from "./link-listing.ts";
import { deleteLink } from "./links.ts";

export type Kernel = Pick<Native, "netlink" | "writeNetSettings">;

export interface Named {
  readonly name: string;
  readonly alias: string;
}

/** Beginnings: of aliases, and of names that only we give. */
export interface OwnPrefixes {
  readonly alias: string;
  readonly names: readonly string[];
}

/** What a reconciler compares with its store. */
export async function listOwn(
  native: Kernel,
  namespace: number | undefined,
  prefixes: OwnPrefixes,
): Promise<readonly Link[]> {
  const links = await listLinks(native, namespace);
  return links.filter(({ name, alias = "" }) =>
    alias === ""
      ? prefixes.names.some((prefix) => name.startsWith(prefix))
      : alias.startsWith(prefixes.alias),
  );
}

/** Throws `conflict` when a link has our name for it and not our alias. `unfinished`: one without any is ours, too. */
export function checkOwn(link: Link, { name, alias }: Named, unfinished: boolean): void {
  if (link.alias === alias || (unfinished && link.alias === undefined)) return;
  const whose = link.alias === undefined ? "was not made for this" : `is "${link.alias}"`;
  throw fail("conflict", `network link "${name}" exists already, and ${whose}`);
}

/**
 * Deletes the link, when there is one and it is ours, and tells whether that was so. Throws `conflict` when it is not ours. With
 * one end of a veth pair goes the other.
 */
export async function removeOwn(
  native: Kernel,
  namespace: number | undefined,
  own: Named,
  unfinished = false,
): Promise<boolean> {
  const link = await findLink(native, namespace, own.name);
  if (link === undefined) return false;
  checkOwn(link, own, unfinished);
  return removeListed(native, namespace, link);
}

/** The same for a link that `listOwn` has told of. */
export async function removeListed(
  native: Kernel,
  namespace: number | undefined,
  { index, name }: Link,
): Promise<boolean> {
  const [outcome] = await exchange(native, PROTOCOL.route, namespace, [deleteLink(index)]);
  if (!(outcome instanceof NetlinkError)) return true;
  // Its other end went with a container.
  if (outcome.code === "ENODEV") return false;
  throw fail("internal", `cannot delete network link "${name}": ${outcome.message}`, outcome);
}

export function hasCode(outcome: Outcome | undefined, ...codes: readonly string[]): boolean {
  return outcome instanceof NetlinkError && codes.includes(outcome.code);
}

/** How the kernel says that it has no such kind of link, queue or filter. */
const UNKNOWN = ["EOPNOTSUPP", "ENOTSUP"];

/** `accepted` with a message that says what was wanted. */
export function acceptedFor(what: string, outcomes: readonly Outcome[]): ReturnType<typeof accepted> {
  try {
    return accepted(outcomes);
  } catch (cause) {
    if (cause instanceof NetlinkError && UNKNOWN.includes(cause.code))
      throw fail(
        "not_implemented",
        `cannot ${what}: this kernel does not know how (${cause.message})`,
        cause,
      );
    throw fail("internal", `cannot ${what}: ${messageOf(cause)}`, cause);
  }
}
