/**
 * A container joined to a bridge: a pair of veth links, one end in its namespace and the other, its port of the bridge, in the
 * host's. One batch after the other:
 *
 *     host       make the pair, with the end inside where it shall be; ask for both indexes
 *     host       alias, port, limits         ┐ at the same time
 *     inside     whether it has IPv6         ┘
 *     inside     addresses, up, routes
 *     host       ask for port and bridge
 *
 * On crash: the port, by name; with a namespace that is gone the kernel deletes both ends.
 */
import { fail } from "../../base/errors.ts";
import { exchange, NetlinkError, type Outcome, PROTOCOL } from "./exchange.ts";
import { furnish, furniture, type Inside, prepare } from "./furnish.ts";
import { type Link, readLink } from "./link-listing.ts";
import { type BridgePort, changeLink, changePort, deleteLink, linkQuestion, newLink } from "./links.ts";
import { acceptedFor, checkOwn, hasCode, type Kernel, type Named, removeOwn } from "./own-links.ts";
import { limitRates, type Rates, removeShaper, shaperOf } from "./rates.ts";

export interface VethAttachment extends Named {
  /** Where the bridge is; undefined: this process's own. */
  readonly namespace?: number | undefined;
  /** Its index. */
  readonly bridge: number;
  readonly port?: BridgePort | undefined;
  readonly rates?: Rates | undefined;
  readonly inside: Inside;
}

export interface AttachedVeth {
  /** Of the port. */
  readonly index: number;
  readonly insideIndex: number;
}

/** Pure: what became of the first batch. Throws `conflict` for a name that somebody else has. */
function judge(
  own: VethAttachment,
  made: Outcome | undefined,
  asked: Outcome | undefined,
): Link | "left over" {
  const answer = asked instanceof NetlinkError ? undefined : asked?.[0];
  const link = answer === undefined ? undefined : readLink(answer);
  if (!hasCode(made, "EEXIST")) {
    acceptedFor(`make network link "${own.name}"`, [made ?? [], asked ?? []]);
    if (link?.parent === undefined) throw fail("internal", `network link "${own.name}" has no other end`);
    return link;
  }
  if (link === undefined)
    throw fail("conflict", `the container has a network link "${own.inside.name}" already`);
  checkOwn(link, own, true);
  return "left over";
}

async function makePair(native: Kernel, own: VethAttachment): Promise<Link | "left over"> {
  const { name, namespace, bridge, inside } = own;
  const mtu = inside.mtu;
  const peer = { name: inside.name, namespace: inside.namespace, mac: inside.mac, mtu };
  const [made, asked] = await exchange(native, PROTOCOL.route, namespace, [
    newLink({ name, type: { kind: "veth", peer }, mtu, master: bridge, up: true }),
    linkQuestion(name),
  ]);
  return judge(own, made, asked);
}

/**
 * Makes the pair and everything of it. What an earlier call that was killed has left is made anew; after a rejection nothing is
 * left. Throws `conflict` when a name is taken by somebody else, on either side.
 */
export async function attachVeth(native: Kernel, own: VethAttachment): Promise<AttachedVeth> {
  const { namespace, inside } = own;
  furniture(0, inside);
  let link = await makePair(native, own);
  if (link === "left over") {
    await detachVeth(native, own);
    link = await makePair(native, own);
  }
  if (link === "left over" || link.parent === undefined)
    throw fail("conflict", `network link "${own.name}" is being made by somebody else`);
  const { index, parent: insideIndex } = link;
  try {
    await furnishBoth(native, own, index, insideIndex);
  } catch (error) {
    await exchange(native, PROTOCOL.route, namespace, [
      deleteLink(index),
      ...(own.rates === undefined ? [] : [deleteLink(shaperOf(own.name))]),
    ]);
    throw error;
  }
  return { index, insideIndex };
}

/** Nothing goes through before the port is as it shall be: the end inside is not up. */
async function furnishBoth(
  native: Kernel,
  own: VethAttachment,
  index: number,
  insideIndex: number,
): Promise<void> {
  const { inside } = own;
  const ready = await Promise.allSettled([furnishPort(native, index, own), prepare(native, inside)]);
  for (const one of ready) if (one.status === "rejected") throw one.reason;
  await furnish(native, insideIndex, inside);
  await settle(native, own, index);
}

/**
 * A link whose other end came up sends nothing before the kernel has noted that, for a bridge's first port up to a second later; it
 * is noted at once when somebody asks (Linux 6.8). So the container's first packet arrives, too.
 */
async function settle(native: Kernel, { namespace, bridge }: VethAttachment, port: number): Promise<void> {
  await exchange(native, PROTOCOL.route, namespace, [linkQuestion(port), linkQuestion(bridge)]);
}

async function furnishPort(native: Kernel, index: number, own: VethAttachment): Promise<void> {
  const { name, alias, port, namespace, rates } = own;
  const outcomes = await exchange(native, PROTOCOL.route, namespace, [
    changeLink(index, { alias }),
    ...(port === undefined ? [] : [changePort(index, port)]),
  ]);
  acceptedFor(`set up network link "${name}"`, outcomes);
  if (rates !== undefined) await limitRates(native, namespace, own, rates);
}

/** Deletes both ends, and what limited them; what is not there is fine. Throws `conflict` for a link that is not ours. */
export async function detachVeth(
  native: Kernel,
  own: Named & { readonly namespace?: number | undefined },
): Promise<void> {
  await removeOwn(native, own.namespace, own, true);
  await removeShaper(native, own.namespace, own);
}
