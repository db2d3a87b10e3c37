/**
 * Addresses of links. linux/if_addr.h
 *
 *     struct ifaddrmsg    u8 family | u8 prefix | u8 flags | u8 scope | u32 index
 */
import { fail } from "../../base/errors.ts";
import type { Native } from "../native.ts";
import { listing, PROTOCOL } from "./exchange.ts";
import { RTM } from "./links.ts";
import {
  type Answer,
  attribute,
  FLAG,
  message,
  type Message,
  read,
  readAttributes,
  struct,
} from "./message.ts";

/** 4 or 16 bytes, and how many of their bits name the subnet. */
export interface Subnet {
  readonly address: Uint8Array;
  readonly prefix: number;
}

export interface LinkAddress extends Subnet {
  /** The link's index. */
  readonly link: number;
  /** Not usable (yet), because another machine may have or has it. */
  readonly tentative: boolean;
}

const AF_INET = 2;
const AF_INET6 = 10;
const IFA = { address: 1, local: 2, broadcast: 4, flags: 8 } as const;
const NO_DAD = 2;
const DAD_FAILED = 8;
const TENTATIVE = 0x40;
/** Below it there is no room for a broadcast address. */
const MAX_BROADCAST_PREFIX = 30;
const HEADER_BYTES = 8;

export function familyOf(address: Uint8Array): number {
  if (address.length !== 4 && address.length !== 16)
    throw fail("invalid_argument", `an address of ${address.length} bytes`);
  return address.length === 4 ? AF_INET : AF_INET6;
}

export function checkSubnet({ address, prefix }: Subnet): void {
  if (!Number.isInteger(prefix) || prefix < 0 || prefix > address.length * 8)
    throw fail("invalid_argument", `a prefix of ${prefix} bits for an address of ${address.length * 8}`);
}

/** The last address of an IPv4 subnet. */
function broadcastOf({ address, prefix }: Subnet): Uint8Array {
  return address.map((byte, at) => byte | (0xff >> Math.min(8, Math.max(0, prefix - at * 8))));
}

function addressMessage(type: number, flags: number, link: number, subnet: Subnet): Message {
  const { address, prefix } = subnet;
  const family = familyOf(address);
  checkSubnet(subnet);
  const isIpv4 = family === AF_INET;
  return message(type, flags | FLAG.ack, struct([1, family], [1, prefix], [1, 0], [1, 0], [4, link]), [
    attribute.bytes(IFA.local, address),
    attribute.bytes(IFA.address, address),
    isIpv4 && prefix <= MAX_BROADCAST_PREFIX
      ? attribute.bytes(IFA.broadcast, broadcastOf(subnet))
      : undefined,
    isIpv4 ? undefined : attribute.u32(IFA.flags, NO_DAD),
  ]);
}

/**
 * Gives a link an address, and the route to its subnet. IPv6 ones are usable at once: nobody asks the neighbours first, whoever
 * gave out the address knows. EEXIST when it has that address already.
 */
export function newAddress(link: number, subnet: Subnet): Message {
  return addressMessage(RTM.newAddress, FLAG.create | FLAG.exclusive, link, subnet);
}

/** EADDRNOTAVAIL when it does not have it. */
export function deleteAddress(link: number, subnet: Subnet): Message {
  return addressMessage(RTM.deleteAddress, 0, link, subnet);
}

/** Of an RTM_NEWADDR; undefined for families that are not of the internet. */
export function readAddress({ payload }: Answer): LinkAddress | undefined {
  const family = read.u8(payload);
  if (family !== AF_INET && family !== AF_INET6) return undefined;
  const attributes = readAttributes(payload, HEADER_BYTES);
  // Of a point-to-point link IFA_ADDRESS is the other end; IPv6 has no IFA_LOCAL otherwise.
  const address = attributes.get(IFA.local) ?? attributes.get(IFA.address);
  if (address === undefined) return undefined;
  const wide = attributes.get(IFA.flags);
  const flags = wide === undefined ? read.u8(payload, 2) : read.u32(wide);
  return {
    link: read.u32(payload, 4),
    address: Uint8Array.from(address),
    prefix: read.u8(payload, 1),
    tentative: (flags & (TENTATIVE | DAD_FAILED)) !== 0,
  };
}

export async function listAddresses(
  native: Pick<Native, "netlink">,
  namespace: number | undefined,
): Promise<readonly LinkAddress[]> {
  const question = message(RTM.getAddress, FLAG.dump, struct([4, 0], [4, 0]), []);
  const answers = await listing(native, PROTOCOL.route, namespace, question);
  return answers.map(readAddress).filter((address) => address !== undefined);
}
