/**
 * Connections that the kernel remembers, to be forgotten: a UDP mapping lives as long as somebody sends, and would go on leading to
 * a container that is gone, or past one that is new. linux/netfilter/nfnetlink_conntrack.h
 *
 *     struct nfgenmsg    u8 family | u8 version | be16 –
 *     tuple              nested: addresses (source, destination), protocol (number, source port, destination port)
 */
import { fail } from "../../base/errors.ts";
import type { Native } from "../native.ts";
import { familyOf } from "./addresses.ts";
import { accepted, exchange, listing, NetlinkError, type Outcome, PROTOCOL } from "./exchange.ts";
import {
  type Answer,
  type Attribute,
  attribute,
  FLAG,
  message,
  type Message,
  read,
  readAttributes,
  struct,
} from "./message.ts";

export const TRANSPORTS = { tcp: 6, udp: 17, sctp: 132 } as const;

/** One side of what a direction's packets say of themselves. */
export interface FlowEnd {
  readonly address?: Uint8Array | undefined;
  /** Only together with a protocol. */
  readonly port?: number | undefined;
}

/** All of what is said must be so. */
export interface FlowMatch {
  readonly family: "ipv4" | "ipv6";
  readonly protocol?: keyof typeof TRANSPORTS | undefined;
  /** Where who began sent his packets, before any rule changed that: a published address. */
  readonly originalDestination?: FlowEnd | undefined;
  /** Who answers: a container. */
  readonly replySource?: FlowEnd | undefined;
}

const GET = 0x101;
const DELETE = 0x102;
const CTA = { original: 1, reply: 2, id: 12, zone: 18, filter: 25 } as const;
const TUPLE = { addresses: 1, protocol: 2 } as const;
const SOURCE = { ipv4: 1, ipv6: 3 } as const;
const DESTINATION = { ipv4: 2, ipv6: 4 } as const;
const PROTO = { number: 1, sourcePort: 2, destinationPort: 3 } as const;
/** Which parts of a tuple count, in the two attributes of CTA.filter, for the original direction and the reply. */
const COUNTS = { source: 1, destination: 2, protocol: 8, sourcePort: 16, destinationPort: 32 } as const;
const AF = { ipv4: 2, ipv6: 10 } as const;
const HEADER_BYTES = 4;

const header = (family: number): Uint8Array => struct([1, family], [1, 0], [2, 0]);

interface Side {
  readonly address: number;
  readonly port: number;
  readonly addressCounts: number;
  readonly portCounts: number;
}
const sideOf = (family: FlowMatch["family"], which: "source" | "destination"): Side =>
  which === "source"
    ? {
        address: SOURCE[family],
        port: PROTO.sourcePort,
        addressCounts: COUNTS.source,
        portCounts: COUNTS.sourcePort,
      }
    : {
        address: DESTINATION[family],
        port: PROTO.destinationPort,
        addressCounts: COUNTS.destination,
        portCounts: COUNTS.destinationPort,
      };

/** A tuple of which only a part counts, and which part. */
function partialTuple(
  type: number,
  protocol: number | undefined,
  end: FlowEnd,
  side: Side,
): readonly [Attribute, counts: number] {
  const { address, port } = end;
  const withPort = protocol !== undefined && port !== undefined;
  const tuple = attribute.nested(type, [
    address === undefined
      ? undefined
      : attribute.nested(TUPLE.addresses, [attribute.bytes(side.address, address)]),
    protocol === undefined
      ? undefined
      : attribute.nested(TUPLE.protocol, [
          attribute.u8(PROTO.number, protocol),
          withPort ? attribute.be16(side.port, port) : undefined,
        ]),
  ]);
  const counts =
    (address === undefined ? 0 : side.addressCounts) |
    (protocol === undefined ? 0 : COUNTS.protocol) |
    (withPort ? side.portCounts : 0);
  return [tuple, counts];
}

/** Kernels before 5.8 do not know the filter and list all: what comes is compared again. */
export function flowsQuestion(match: FlowMatch): Message {
  const { family, originalDestination = {}, replySource = {} } = match;
  const protocol = match.protocol === undefined ? undefined : TRANSPORTS[match.protocol];
  for (const { address } of [originalDestination, replySource])
    if (address !== undefined && familyOf(address) !== AF[family])
      throw fail("invalid_argument", `an address of ${address.length} bytes for ${family}`);
  // Both directions have the same protocol.
  const [ofOriginal, ofReply] =
    match.replySource === undefined ? [protocol, undefined] : [undefined, protocol];
  const [original, originalCounts] = partialTuple(
    CTA.original,
    originalDestination.port === undefined ? ofOriginal : protocol,
    originalDestination,
    sideOf(family, "destination"),
  );
  const [reply, replyCounts] = partialTuple(CTA.reply, ofReply, replySource, sideOf(family, "source"));
  return message(GET, FLAG.dump, header(AF[family]), [
    originalCounts === 0 ? undefined : original,
    replyCounts === 0 ? undefined : reply,
    attribute.nested(CTA.filter, [
      originalCounts === 0 ? undefined : attribute.u32(1, originalCounts),
      replyCounts === 0 ? undefined : attribute.u32(2, replyCounts),
    ]),
  ]);
}

function endMatches(
  tuple: Uint8Array | undefined,
  protocol: number | undefined,
  end: FlowEnd,
  side: Side,
): boolean {
  if (tuple === undefined) return false;
  const parts = readAttributes(tuple);
  const [addresses, numbers] = [TUPLE.addresses, TUPLE.protocol].map((type) =>
    readAttributes(parts.get(type) ?? new Uint8Array()),
  );
  const [address, number, port] = [
    addresses?.get(side.address),
    numbers?.get(PROTO.number),
    numbers?.get(side.port),
  ];
  return (
    (end.address === undefined || (address !== undefined && Buffer.compare(address, end.address) === 0)) &&
    (protocol === undefined || (number !== undefined && read.u8(number) === protocol)) &&
    (end.port === undefined || (port !== undefined && read.be16(port) === end.port))
  );
}

/** What an answer to `flowsQuestion` says must be deleted; undefined: it does not match. */
function deletion({ payload }: Answer, match: FlowMatch): Message | undefined {
  const { family, originalDestination = {}, replySource = {} } = match;
  const protocol = match.protocol === undefined ? undefined : TRANSPORTS[match.protocol];
  const flow = readAttributes(payload, HEADER_BYTES);
  const original = flow.get(CTA.original);
  if (original === undefined) return undefined;
  if (!endMatches(original, protocol, originalDestination, sideOf(family, "destination"))) return undefined;
  if (!endMatches(flow.get(CTA.reply), protocol, replySource, sideOf(family, "source"))) return undefined;
  // The id makes sure that it is this one, and none that came after it.
  const [id, zone] = [flow.get(CTA.id), flow.get(CTA.zone)];
  return message(DELETE, FLAG.ack, header(AF[family]), [
    attribute.bytes(CTA.original | 0x8000, original),
    id === undefined ? undefined : attribute.bytes(CTA.id, id),
    zone === undefined ? undefined : attribute.bytes(CTA.zone, zone),
  ]);
}

/** Anybody may have made more than one batch holds. */
const BATCH = 8192;

/** Forgets all connections that match, and tells how many there were. Those that end meanwhile are fine. */
export async function forgetFlows(
  native: Pick<Native, "netlink">,
  namespace: number | undefined,
  match: FlowMatch,
): Promise<number> {
  const answers = await listing(native, PROTOCOL.netfilter, namespace, flowsQuestion(match));
  const orders = answers.map((answer) => deletion(answer, match)).filter((order) => order !== undefined);
  let forgotten = 0;
  for (let at = 0; at < orders.length; at += BATCH) {
    const outcomes = await exchange(native, PROTOCOL.netfilter, namespace, orders.slice(at, at + BATCH));
    const ended = (one: Outcome): boolean => one instanceof NetlinkError && one.code === "ENOENT";
    forgotten += accepted(outcomes.filter((one) => !ended(one))).length;
  }
  return forgotten;
}
