/**
 * A container's link that has a link of the host's for its parent: macvlan, with an own hardware address on the parent's wire, or
 * ipvlan, with the parent's. It is made in the container's namespace at once; nothing of it is on the host.
 *
 * On crash: nothing but that link, which goes with its namespace.
 */
import { fail } from "../../base/errors.ts";
import { exchange, PROTOCOL } from "./exchange.ts";
import { furnish, furniture, type Inside, prepare } from "./furnish.ts";
import { findLink } from "./link-listing.ts";
import { deleteLink, type LinkKind, newLink } from "./links.ts";
import { acceptedFor, hasCode, type Kernel, removeOwn } from "./own-links.ts";

export interface BelowAttachment {
  /** Where the parent is; undefined: this process's own. */
  readonly namespace?: number | undefined;
  readonly type: Extract<LinkKind, { kind: "macvlan" | "ipvlan" }>;
  readonly alias: string;
  /** ipvlan links cannot have a MAC address of their own. */
  readonly inside: Inside;
}

/** Returns its index. After a rejection nothing is left. Throws `conflict` when the container has a link of that name. */
export async function attachBelow(native: Kernel, own: BelowAttachment): Promise<number> {
  const { namespace, type, alias, inside } = own;
  const { name } = inside;
  furniture(0, inside);
  const order = newLink({ name, type, namespace: inside.namespace, mac: inside.mac, mtu: inside.mtu });
  let outcomes = await exchange(native, PROTOCOL.route, namespace, [order]);
  if (hasCode(outcomes[0], "EEXIST")) {
    const taken = fail("conflict", `the container has a network link "${name}" already`);
    // Ours of an attempt that was killed is made anew; one without an alias is not ours, here.
    if ((await findLink(native, inside.namespace, name))?.alias !== alias) throw taken;
    await removeOwn(native, inside.namespace, { name, alias });
    outcomes = await exchange(native, PROTOCOL.route, namespace, [order]);
  }
  acceptedFor(`make ${type.kind} link "${name}"`, outcomes);
  const link = await findLink(native, inside.namespace, name);
  if (link === undefined) throw fail("internal", `network link "${name}" is gone`);
  try {
    await prepare(native, inside);
    await furnish(native, link.index, inside, alias);
    return link.index;
  } catch (error) {
    await exchange(native, PROTOCOL.route, inside.namespace, [deleteLink(link.index)]);
    throw error;
  }
}

/** Deletes the link inside; one that is not there is fine. Throws `conflict` when it is not ours. */
export async function detachBelow(
  native: Kernel,
  own: Pick<BelowAttachment, "alias" | "inside">,
): Promise<void> {
  await removeOwn(native, own.inside.namespace, { name: own.inside.name, alias: own.alias });
}
