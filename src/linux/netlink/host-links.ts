/**
 * Links of a network on the host: its bridge, or the sub-interface that is the parent of its macvlan and ipvlan links.
 *
 * A link is made with a temporary name and gets the one by which others know it last, when it is complete: as with files. On
 * crash: a link with a temporary name, which `listOwn` finds by that; or a complete one, which the next call takes over.
 */
import { randomBytes } from "node:crypto";
import { fail } from "../../base/errors.ts";
import { newAddress, type Subnet } from "./addresses.ts";
import { exchange, PROTOCOL } from "./exchange.ts";
import { findLink, readLink } from "./link-listing.ts";
import { changeLink, deleteLink, type LinkKind, linkQuestion, newLink } from "./links.ts";
import type { Message } from "./message.ts";
import { acceptedFor, checkOwn, hasCode, type Kernel, type Named } from "./own-links.ts";
import { writeIpv6Settings } from "./ipv6-settings.ts";

export interface HostLink extends Named {
  readonly type: Extract<LinkKind, { kind: "bridge" | "vlan" | "dummy" | "ifb" }>;
  readonly mac?: Uint8Array | undefined;
  readonly mtu?: number | undefined;
  /** Without one of IPv6 the link has no IPv6 at all. */
  readonly addresses: readonly Subnet[];
}

/** Names that begin so are nobody's for longer than a moment. */
export const TEMPORARY_PREFIX = "gt";

function orders(index: number, wish: HostLink): readonly Message[] {
  return wish.addresses.map((subnet) => newAddress(index, subnet));
}

/**
 * Makes the link, up and with its addresses, and returns its index. One that we have made before is brought up to what is wished
 * for; addresses that somebody else gave it stay. Throws `conflict` when there is one of that name that is not ours.
 */
export async function makeHostLink(
  native: Kernel,
  namespace: number | undefined,
  wish: HostLink,
): Promise<number> {
  const existing = await findLink(native, namespace, wish.name);
  if (existing === undefined) return create(native, namespace, wish);
  checkOwn(existing, wish, false);
  if (existing.kind !== wish.type.kind)
    throw fail("conflict", `network link "${wish.name}" is of the kind "${existing.kind}"`);
  const { index } = existing;
  await writeIpv6Settings(native, namespace, wish.name, wish.addresses);
  const change = changeLink(index, { mtu: wish.mtu, mac: wish.mac, up: true });
  const batch = [change, ...orders(index, wish)];
  const outcomes = await exchange(native, PROTOCOL.route, namespace, batch);
  acceptedFor(
    `change network link "${wish.name}"`,
    outcomes.filter((one) => !hasCode(one, "EEXIST")),
  );
  return index;
}

/** A bridge as Docker's are: what it hears of multicast it remembers, and it takes no part in spanning trees. */
export function makeBridge(
  native: Kernel,
  namespace: number | undefined,
  bridge: Omit<HostLink, "type">,
): Promise<number> {
  return makeHostLink(native, namespace, { ...bridge, type: { kind: "bridge" } });
}

async function create(native: Kernel, namespace: number | undefined, wish: HostLink): Promise<number> {
  const { alias, type, mac, mtu } = wish;
  const name = TEMPORARY_PREFIX + randomBytes(6).toString("hex");
  const what = `make network link "${wish.name}"`;
  orders(0, wish); // throws for what no kernel takes
  const [, [answer] = []] = acceptedFor(
    what,
    await exchange(native, PROTOCOL.route, namespace, [
      newLink({ name, type, mac, mtu }),
      linkQuestion(name),
    ]),
  );
  if (answer === undefined) throw fail("internal", `cannot ${what}: it has no index`);
  const { index } = readLink(answer);
  try {
    await writeIpv6Settings(native, namespace, name, wish.addresses);
    const outcomes = await exchange(native, PROTOCOL.route, namespace, [
      changeLink(index, { alias }),
      ...orders(index, wish),
      changeLink(index, { name: wish.name }),
      changeLink(index, { up: true }),
    ]);
    if (hasCode(outcomes.at(-2), "EEXIST"))
      throw fail("conflict", `network link "${wish.name}" exists already, and was not made for this`);
    acceptedFor(what, outcomes);
    return index;
  } catch (error) {
    await exchange(native, PROTOCOL.route, namespace, [deleteLink(index)]);
    throw error;
  }
}
