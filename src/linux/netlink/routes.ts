/**
 * Routes of the main table. linux/rtnetlink.h
 *
 *     struct rtmsg    u8 family | u8 bits of destination | u8 of source | u8 tos | u8 table | u8 protocol | u8 scope | u8 type | u32 flags
 */
import type { Native } from "../native.ts";
import { checkSubnet, familyOf, type Subnet } from "./addresses.ts";
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

export interface Route {
  /** All zeros with the prefix 0: everything that no other route is about. */
  readonly destination: Subnet;
  /** undefined: on the link itself. */
  readonly gateway?: Uint8Array | undefined;
  /** The link's index. */
  readonly link: number;
  /** The gateway is a neighbour there, even where no address of the link says so. */
  readonly onLink?: boolean | undefined;
  /** Of routes to the same destination the lowest counts. */
  readonly metric?: number | undefined;
}

/** The route to everything else. */
export function defaultVia(gateway: Uint8Array): Omit<Route, "link"> {
  return { destination: { address: new Uint8Array(gateway.length), prefix: 0 }, gateway };
}

const RTA = { destination: 1, link: 4, gateway: 5, metric: 6, table: 15 } as const;
const MAIN_TABLE = 254;
/** Neither the kernel's own nor a routing daemon's: what a host gets at its start. */
const PROTOCOL_BOOT = 3;
const UNICAST = 1;
const SCOPE = { universe: 0, link: 253, any: 255 } as const;
const FLAG_ON_LINK = 4;
/** Not in the table, but worked out for one destination. */
const FLAG_CLONED = 0x200;
const HEADER_BYTES = 12;

function routeMessage(type: number, flags: number, route: Route, scope: number): Message {
  const { destination, gateway, link, metric } = route;
  const family = familyOf(destination.address);
  checkSubnet(destination);
  const header = struct(
    [1, family],
    [1, destination.prefix],
    [1, 0],
    [1, 0],
    [1, MAIN_TABLE],
    [1, scope === SCOPE.any ? 0 : PROTOCOL_BOOT],
    [1, scope],
    [1, scope === SCOPE.any ? 0 : UNICAST],
    [4, route.onLink === true ? FLAG_ON_LINK : 0],
  );
  return message(type, flags | FLAG.ack, header, [
    destination.prefix === 0 ? undefined : attribute.bytes(RTA.destination, destination.address),
    gateway === undefined ? undefined : attribute.bytes(RTA.gateway, gateway),
    attribute.u32(RTA.link, link),
    metric === undefined ? undefined : attribute.u32(RTA.metric, metric),
  ]);
}

/** EEXIST when there is one; ENETUNREACH when nothing leads to the gateway; the link must be up. */
export function newRoute(route: Route): Message {
  const scope = route.gateway === undefined ? SCOPE.link : SCOPE.universe;
  return routeMessage(RTM.newRoute, FLAG.create | FLAG.exclusive, route, scope);
}

/** ESRCH when there is none. */
export function deleteRoute(route: Route): Message {
  return routeMessage(RTM.deleteRoute, 0, route, SCOPE.any);
}

/** Of an RTM_NEWROUTE; undefined for what is not in the main table, or leads to no single link. */
export function readRoute({ payload }: Answer): Route | undefined {
  const attributes = readAttributes(payload, HEADER_BYTES);
  const [link, table, metric] = [RTA.link, RTA.table, RTA.metric].map((type) => {
    const value = attributes.get(type);
    return value === undefined ? undefined : read.u32(value);
  });
  const family = read.u8(payload);
  const flags = read.u32(payload, 8);
  const isOurs = (family === 2 || family === 10) && (table ?? read.u8(payload, 4)) === MAIN_TABLE;
  if (!isOurs || link === undefined || (flags & FLAG_CLONED) !== 0) return undefined;
  const gateway = attributes.get(RTA.gateway);
  return {
    destination: {
      address: Uint8Array.from(attributes.get(RTA.destination) ?? new Uint8Array(family === 2 ? 4 : 16)),
      prefix: read.u8(payload, 1),
    },
    gateway: gateway === undefined ? undefined : Uint8Array.from(gateway),
    link,
    onLink: (flags & FLAG_ON_LINK) !== 0,
    metric,
  };
}

export async function listRoutes(
  native: Pick<Native, "netlink">,
  namespace: number | undefined,
): Promise<readonly Route[]> {
  const question = message(RTM.getRoute, FLAG.dump, struct([8, 0], [4, 0]), []);
  const answers = await listing(native, PROTOCOL.route, namespace, question);
  return answers.map(readRoute).filter((route) => route !== undefined);
}
