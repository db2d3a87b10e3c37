/**
 * A container's link that has a link of the host's for its parent: macvlan, with an own hardware address on the parent's wire, or
 * ipvlan, with the parent's. It is made in the container's namespace at once; nothing of it is on the host.
 *
 * On crash: nothing but that link, which goes with its namespace.
 */
import { setTimeout as delay } from "node:timers/promises";
import { fail, GantryError } from "../../base/errors.ts";
import { exchange, NetlinkError, PROTOCOL } from "./exchange.ts";
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

const ATTEMPTS = 100;
const PAUSE_MS = 20;

/**
 * Returns its index. After a rejection nothing is left. Throws `conflict` when the container has a link of that name, or somebody
 * else below the parent the address, or the whole parent (passthru). The kernel takes the links of a namespace that has ended away
 * in its own time: what they have is waited for.
 */
export async function attachBelow(native: Kernel, own: BelowAttachment): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await attachOnce(native, own);
    } catch (error) {
      const what = whatIsTaken(own, error);
      if (what === undefined) throw error;
      if (attempt === ATTEMPTS)
        throw fail("conflict", `cannot make ${own.type.kind} link "${own.inside.name}": ${what}`, error);
      await delay(PAUSE_MS);
    }
  }
}

function whatIsTaken({ type }: BelowAttachment, error: unknown): string | undefined {
  if (!(error instanceof GantryError) || !(error.cause instanceof NetlinkError)) return undefined;
  const { code } = error.cause;
  if (code === "EADDRINUSE") return "its address is another's on the same parent";
  return code === "EINVAL" && type.mode === "passthru"
    ? "its parent is another's alone (mode passthru)"
    : undefined;
}

async function attachOnce(native: Kernel, own: BelowAttachment): Promise<number> {
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
