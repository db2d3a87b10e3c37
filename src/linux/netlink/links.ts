/**
 * Network links, as rtnetlink makes and changes them. linux/if_link.h, linux/rtnetlink.h; every message begins with
 *
 *     struct ifinfomsg    u8 family | u8 – | u16 type | i32 index | u32 flags | u32 which flags change
 *
 * Functions here only write messages; `exchange` hands them over. A link is made in the namespace where it shall be: one that is
 * moved afterwards costs waiting for every processor, more than ten milliseconds.
 */
import { fail } from "../../base/errors.ts";
import { isLinkName } from "../link-name.ts";
import { type Attribute, attribute, FLAG, message, type Message, struct } from "./message.ts";

export const RTM = {
  newLink: 16,
  deleteLink: 17,
  getLink: 18,
  setLink: 19,
  newAddress: 20,
  deleteAddress: 21,
  getAddress: 22,
  newRoute: 24,
  deleteRoute: 25,
  getRoute: 26,
  deleteNeighbour: 29,
  getNeighbour: 30,
  newQdisc: 36,
  deleteQdisc: 37,
  getQdisc: 38,
  newFilter: 44,
} as const;

export const IFLA = {
  address: 1,
  name: 3,
  mtu: 4,
  link: 5,
  master: 10,
  linkInfo: 18,
  alias: 20,
  statistics: 23,
  namespaceFd: 28,
  extMask: 29,
  linkNamespaceId: 37,
} as const;

export const LINK_INFO = { kind: 1, data: 2, slaveKind: 4, slaveData: 5 } as const;
export const BRIDGE_PORT = { hairpin: 4, learning: 8, isolated: 33 } as const;
const BRIDGE = { multicastSnooping: 23 } as const;
const VETH_PEER = 1;
const VLAN_ID = 1;
/** Both macvlan and ipvlan. */
export const VLAN_MODE = 1;
const IPVLAN_FLAGS = 2;

export const MACVLAN_MODES = { private: 1, vepa: 2, bridge: 4, passthru: 8 } as const;
export const IPVLAN_MODES = { l2: 0, l3: 1, l3s: 2 } as const;
/** Who may speak to whom below one parent. */
export const IPVLAN_ISOLATION = { bridge: 0, private: 1, vepa: 2 } as const;

export const IFF_UP = 1;
/** Counters are most of a listing. */
const SKIP_STATISTICS = 8;

/** One end of a veth pair that is made, in a namespace of its own. */
export interface Peer {
  readonly name: string;
  /** A descriptor; undefined: where the other end is. */
  readonly namespace?: number | undefined;
  readonly mac?: Uint8Array | undefined;
  readonly mtu?: number | undefined;
}

export type LinkKind =
  | { readonly kind: "bridge"; readonly multicastSnooping?: boolean | undefined }
  | { readonly kind: "veth"; readonly peer: Peer }
  | { readonly kind: "macvlan"; readonly parent: number; readonly mode: keyof typeof MACVLAN_MODES }
  | {
      readonly kind: "ipvlan";
      readonly parent: number;
      readonly mode: keyof typeof IPVLAN_MODES;
      readonly isolation: keyof typeof IPVLAN_ISOLATION;
    }
  | { readonly kind: "vlan"; readonly parent: number; readonly id: number }
  | { readonly kind: "ifb" | "dummy" };

export interface NewLink {
  readonly name: string;
  readonly type: LinkKind;
  /** A descriptor; undefined: the namespace that the message is sent to. A parent is always in that one. */
  readonly namespace?: number | undefined;
  readonly mac?: Uint8Array | undefined;
  readonly mtu?: number | undefined;
  /** The index of a bridge. */
  readonly master?: number | undefined;
  readonly up?: boolean;
}

export interface LinkChange {
  readonly name?: string;
  readonly alias?: string;
  readonly mac?: Uint8Array | undefined;
  readonly mtu?: number | undefined;
  /** The index of a bridge; 0: none. */
  readonly master?: number | undefined;
  readonly up?: boolean;
}

export interface BridgePort {
  /** What comes in may go out again by the same port. */
  readonly hairpin?: boolean | undefined;
  /** Isolated ports do not speak to each other. */
  readonly isolated?: boolean | undefined;
  readonly learning?: boolean | undefined;
}

const MAX_ALIAS_BYTES = 255;
const MAX_VLAN_ID = 4094;

function newName(name: string): string {
  if (!isLinkName(name, "new")) throw fail("invalid_argument", `"${name}" is no name for a network link`);
  return name;
}

function linkHeader(index: number, up: boolean | undefined): Uint8Array {
  return struct(
    [1, 0],
    [1, 0],
    [2, 0],
    [4, index],
    [4, up === true ? IFF_UP : 0],
    [4, up === undefined ? 0 : IFF_UP],
  );
}

function optional<T>(value: T | undefined, write: (value: T) => Attribute): Attribute | undefined {
  return value === undefined ? undefined : write(value);
}

function macAttribute(mac: Uint8Array): Attribute {
  if (mac.length !== 6) throw fail("invalid_argument", `a MAC address of ${mac.length} bytes`);
  return attribute.bytes(IFLA.address, mac);
}

/** What both ends of a veth pair, and all other links, are made with. */
function basics(link: Peer): readonly (Attribute | undefined)[] {
  return [
    attribute.string(IFLA.name, newName(link.name)),
    optional(link.mac, macAttribute),
    optional(link.mtu, (mtu) => attribute.u32(IFLA.mtu, mtu)),
    optional(link.namespace, (fd) => attribute.u32(IFLA.namespaceFd, fd)),
  ];
}

function kindData(type: LinkKind): readonly (Attribute | undefined)[] {
  switch (type.kind) {
    case "bridge":
      return [optional(type.multicastSnooping, (on) => attribute.u8(BRIDGE.multicastSnooping, on ? 1 : 0))];
    case "veth":
      return [peerAttribute(type.peer)];
    case "macvlan":
      return [attribute.u32(VLAN_MODE, MACVLAN_MODES[type.mode])];
    case "ipvlan":
      return [
        attribute.u16(VLAN_MODE, IPVLAN_MODES[type.mode]),
        attribute.u16(IPVLAN_FLAGS, IPVLAN_ISOLATION[type.isolation]),
      ];
    case "vlan":
      if (!(type.id >= 1 && type.id <= MAX_VLAN_ID))
        throw fail("invalid_argument", `no VLAN has the number ${type.id}`);
      return [attribute.u16(VLAN_ID, type.id)];
    case "ifb":
    case "dummy":
      return [];
  }
}

/** The one attribute that begins with a fixed header. */
function peerAttribute(peer: Peer): Attribute {
  const parts = [linkHeader(0, undefined), ...basics(peer).filter((part) => part !== undefined)];
  return attribute.bytes(VETH_PEER, Buffer.concat(parts));
}

/** EEXIST when there is one of that name, ours or not. Neither its alias nor how it is a port can be given at birth. */
export function newLink(link: NewLink): Message {
  const { type } = link;
  return message(RTM.newLink, FLAG.ack | FLAG.create | FLAG.exclusive, linkHeader(0, link.up), [
    ...basics(link),
    "parent" in type ? attribute.u32(IFLA.link, type.parent) : undefined,
    optional(link.master, (index) => attribute.u32(IFLA.master, index)),
    attribute.nested(IFLA.linkInfo, [
      attribute.string(LINK_INFO.kind, type.kind),
      attribute.nested(LINK_INFO.data, kindData(type)),
    ]),
  ]);
}

export function changeLink(index: number, change: LinkChange): Message {
  const { alias } = change;
  if (alias !== undefined && Buffer.byteLength(alias) > MAX_ALIAS_BYTES)
    throw fail("invalid_argument", `"${alias}" is too long for the alias of a network link`);
  return message(RTM.setLink, FLAG.ack, linkHeader(index, change.up), [
    optional(change.name, (name) => attribute.string(IFLA.name, newName(name))),
    optional(alias, (text) => attribute.string(IFLA.alias, text)),
    optional(change.mac, macAttribute),
    optional(change.mtu, (mtu) => attribute.u32(IFLA.mtu, mtu)),
    optional(change.master, (bridge) => attribute.u32(IFLA.master, bridge)),
  ]);
}

/** How a link that has a bridge for its master is a port of it. */
export function changePort(index: number, port: BridgePort): Message {
  const flag = (type: number, on: boolean | undefined): Attribute | undefined =>
    optional(on, (value) => attribute.u8(type, value ? 1 : 0));
  return message(RTM.newLink, FLAG.ack, linkHeader(index, undefined), [
    attribute.nested(IFLA.linkInfo, [
      attribute.string(LINK_INFO.slaveKind, "bridge"),
      attribute.nested(LINK_INFO.slaveData, [
        flag(BRIDGE_PORT.hairpin, port.hairpin),
        flag(BRIDGE_PORT.isolated, port.isolated),
        flag(BRIDGE_PORT.learning, port.learning),
      ]),
    ]),
  ]);
}

/** An index, or a name. With one end of a veth pair goes the other. ENODEV when there is none. */
export function deleteLink(link: number | string): Message {
  return message(RTM.deleteLink, FLAG.ack, ...designated(link));
}

/** ENODEV when there is none. */
export function linkQuestion(link: number | string): Message {
  const [header, attributes] = designated(link);
  return message(RTM.getLink, 0, header, [...attributes, attribute.u32(IFLA.extMask, SKIP_STATISTICS)]);
}

export function linksQuestion(): Message {
  return message(RTM.getLink, FLAG.dump, linkHeader(0, undefined), [
    attribute.u32(IFLA.extMask, SKIP_STATISTICS),
  ]);
}

/** As `linksQuestion`, with what every link has carried. */
export function countersQuestion(): Message {
  return message(RTM.getLink, FLAG.dump, linkHeader(0, undefined), []);
}

function designated(link: number | string): readonly [Uint8Array, readonly Attribute[]] {
  return typeof link === "number"
    ? [linkHeader(link, undefined), []]
    : [linkHeader(0, undefined), [attribute.string(IFLA.name, link)]];
}
