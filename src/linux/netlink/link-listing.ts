/** Network links, as rtnetlink tells of them. */
import type { Native } from "../native.ts";
import { accepted, exchange, listing, NetlinkError, PROTOCOL } from "./exchange.ts";
import {
  BRIDGE_PORT,
  type BridgePort,
  IFF_UP,
  IFLA,
  LINK_INFO,
  linkQuestion,
  linksQuestion,
} from "./links.ts";
import { type Answer, read, readAttributes } from "./message.ts";

export interface Link {
  readonly index: number;
  readonly name: string;
  /** "veth", "bridge", …; undefined for devices. */
  readonly kind: string | undefined;
  readonly up: boolean;
  readonly mtu: number;
  /** Empty for links without one. */
  readonly mac: Uint8Array;
  readonly alias: string | undefined;
  /** The index of its bridge. */
  readonly master: number | undefined;
  /** The index of a veth's other end, or of the parent, in the namespace that `parentNamespace` means. */
  readonly parent: number | undefined;
  /** The kernel's own number of that namespace, as this one counts; undefined: it is this one. */
  readonly parentNamespace: number | undefined;
  readonly port: Required<BridgePort> | undefined;
}

const NOTHING: ReadonlyMap<number, Uint8Array> = new Map();

function nested(of: ReadonlyMap<number, Uint8Array>, type: number): ReadonlyMap<number, Uint8Array> {
  const value = of.get(type);
  return value === undefined ? NOTHING : readAttributes(value);
}

function readPort(info: ReadonlyMap<number, Uint8Array>): Required<BridgePort> | undefined {
  const kind = info.get(LINK_INFO.slaveKind);
  if (kind === undefined || read.string(kind) !== "bridge") return undefined;
  const data = nested(info, LINK_INFO.slaveData);
  const isSet = (type: number): boolean => {
    const value = data.get(type);
    return value !== undefined && read.u8(value) !== 0;
  };
  return {
    hairpin: isSet(BRIDGE_PORT.hairpin),
    isolated: isSet(BRIDGE_PORT.isolated),
    learning: isSet(BRIDGE_PORT.learning),
  };
}

const HEADER_BYTES = 16;

/** Of an RTM_NEWLINK. */
export function readLink({ payload }: Answer): Link {
  const attributes = readAttributes(payload, HEADER_BYTES);
  const info = nested(attributes, IFLA.linkInfo);
  const text = (value: Uint8Array | undefined): string | undefined =>
    value === undefined ? undefined : read.string(value);
  const number = (value: Uint8Array | undefined): number | undefined =>
    value === undefined ? undefined : read.u32(value);
  return {
    index: read.i32(payload, 4),
    name: text(attributes.get(IFLA.name)) ?? "",
    kind: text(info.get(LINK_INFO.kind)),
    up: (read.u32(payload, 8) & IFF_UP) !== 0,
    mtu: number(attributes.get(IFLA.mtu)) ?? 0,
    mac: Uint8Array.from(attributes.get(IFLA.address) ?? []),
    alias: text(attributes.get(IFLA.alias)),
    master: number(attributes.get(IFLA.master)),
    parent: number(attributes.get(IFLA.link)),
    parentNamespace: number(attributes.get(IFLA.linkNamespaceId)),
    port: readPort(info),
  };
}

type Kernel = Pick<Native, "netlink">;

/** All links of a namespace. */
export async function listLinks(native: Kernel, namespace: number | undefined): Promise<readonly Link[]> {
  const answers = await listing(native, PROTOCOL.route, namespace, linksQuestion());
  return answers.map(readLink);
}

/** One link, by index or name; undefined when there is none. */
export async function findLink(
  native: Kernel,
  namespace: number | undefined,
  link: number | string,
): Promise<Link | undefined> {
  const outcomes = await exchange(native, PROTOCOL.route, namespace, [linkQuestion(link)]);
  const [outcome] = outcomes;
  if (outcome instanceof NetlinkError && outcome.code === "ENODEV") return undefined;
  const answer = accepted(outcomes)[0]?.[0];
  return answer === undefined ? undefined : readLink(answer);
}
