/** A container's own link, inside of its namespace: its addresses and routes. */
import type { Subnet } from "./addresses.ts";
import { newAddress } from "./addresses.ts";
import { exchange, PROTOCOL } from "./exchange.ts";
import { writeIpv6Settings } from "./ipv6-settings.ts";
import { changeLink, linkQuestion } from "./links.ts";
import type { Message } from "./message.ts";
import { acceptedFor, type Kernel } from "./own-links.ts";
import { newRoute, type Route } from "./routes.ts";

export interface Inside {
  /** A descriptor. */
  readonly namespace: number;
  /** "eth0" */
  readonly name: string;
  readonly mac?: Uint8Array | undefined;
  readonly mtu?: number | undefined;
  /** Without one of IPv6 the link has no IPv6 at all. */
  readonly addresses: readonly Subnet[];
  readonly routes: readonly Omit<Route, "link">[];
}

/** Throws `invalid_argument` for what no kernel takes. */
export function furniture(index: number, { addresses, routes }: Inside, alias?: string): readonly Message[] {
  return [
    ...(alias === undefined ? [] : [changeLink(index, { alias })]),
    ...addresses.map((subnet) => newAddress(index, subnet)),
    changeLink(index, { up: true }),
    ...routes.map((route) => newRoute({ ...route, link: index })),
    linkQuestion(index),
  ];
}

/** For a link that is new and not up yet, first. */
export async function prepare(native: Kernel, { namespace, name, addresses }: Inside): Promise<void> {
  await writeIpv6Settings(native, namespace, name, addresses);
}

/** For a link that is prepared. Half of it may be done when it rejects; the link's owner deletes it then. */
export async function furnish(native: Kernel, index: number, inside: Inside, alias?: string): Promise<void> {
  const { namespace, name } = inside;
  const outcomes = await exchange(native, PROTOCOL.route, namespace, furniture(index, inside, alias));
  acceptedFor(`give network link "${name}" its addresses and routes`, outcomes);
}
