/**
 * What a link knows about its neighbours' hardware addresses. linux/neighbour.h
 *
 *     struct ndmsg    u8 family | u8 – | u16 – | i32 index | u16 state | u8 flags | u8 type
 */
import type { Native } from "../native.ts";
import { accepted, exchange, listing, NetlinkError, PROTOCOL } from "./exchange.ts";
import { RTM } from "./links.ts";
import { attribute, FLAG, message, type Message, read, readAttributes, struct } from "./message.ts";

const NDA = { destination: 1, link: 8 } as const;
/** Static ones, and those of links without hardware addresses. */
const LASTING = 0x80 | 0x40;
const HEADER_BYTES = 12;

const neighbourHeader = (family: number, link: number): Uint8Array =>
  struct([1, family], [1, 0], [2, 0], [4, link], [2, 0], [1, 0], [1, 0]);

/** Forgets what was learned on a link about `address`, or about all. */
export async function flushNeighbours(
  native: Pick<Native, "netlink">,
  namespace: number | undefined,
  link: number,
  address?: Uint8Array,
): Promise<void> {
  const question = message(RTM.getNeighbour, FLAG.dump, neighbourHeader(0, 0), [
    attribute.u32(NDA.link, link),
  ]);
  const orders: Message[] = [];
  for (const { payload } of await listing(native, PROTOCOL.route, namespace, question)) {
    const destination = readAttributes(payload, HEADER_BYTES).get(NDA.destination);
    if (destination === undefined || read.i32(payload, 4) !== link) continue;
    if ((read.u16(payload, 8) & LASTING) !== 0) continue;
    if (address !== undefined && Buffer.compare(destination, address) !== 0) continue;
    const header = neighbourHeader(read.u8(payload), link);
    orders.push(
      message(RTM.deleteNeighbour, FLAG.ack, header, [attribute.bytes(NDA.destination, destination)]),
    );
  }
  const outcomes = await exchange(native, PROTOCOL.route, namespace, orders);
  accepted(outcomes.filter((one) => !(one instanceof NetlinkError && one.code === "ENOENT")));
}
