/**
 * What a container may know by name. One `NetworkNames` is made per network when its members change and shared by all of
 * them; a view is a handful of references, cheap to make for every query.
 */
import { nameBytes } from "./wire-name.ts";

/** 4 or 16 bytes each, most significant first. */
export interface NameAddresses {
  readonly v4: readonly Uint8Array[];
  readonly v6: readonly Uint8Array[];
}

/** A member of a network, as its names see it. */
export interface NamedEndpoint extends NameAddresses {
  /** The container's name: what an address is called. */
  readonly name: string;
  /** Everything else that it answers to there: aliases, short id, service name. "*.example" stands for all below. */
  readonly aliases: readonly string[];
}

export interface NetworkNames {
  /** Lower case. */
  readonly name: string;
  /** By name in lower case; a name of several containers has the addresses of all. */
  readonly addresses: ReadonlyMap<string, NameAddresses>;
  /** "example" for "*.example". */
  readonly wildcards: ReadonlyMap<string, NameAddresses>;
  /** Container names by `addressKey`. */
  readonly pointers: ReadonlyMap<string, string>;
}

/** A server that is asked what this one does not know. */
export interface Upstream {
  readonly address: string;
  readonly port: number;
  /** Whose network it is reached through: servers of the host's resolv.conf by the host's, those of --dns by the container's own. */
  readonly through: "host" | "container";
}

export interface NameView {
  /** The container's networks, in the order in which they are asked; the first that knows a name answers. */
  readonly networks: readonly NetworkNames[];
  /** Names of this container alone, before all others, as host.docker.internal. Lower case. */
  readonly hosts: ReadonlyMap<string, NameAddresses>;
  /** Legacy links: what this container calls others, and their names in its networks. Lower case. */
  readonly links: ReadonlyMap<string, string>;
  readonly upstreams: readonly Upstream[];
  /** Whether any of its networks leads out of this machine; without one nothing is asked through the host's. */
  readonly hasWayOut: boolean;
  /** Whether its resolv.conf got an ndots of the user's: then names of one label are never asked elsewhere. */
  readonly hasOwnNdots: boolean;
}

export function networkNames(name: string, endpoints: readonly NamedEndpoint[]): NetworkNames {
  const addresses = new Map<string, NameAddresses>();
  const wildcards = new Map<string, NameAddresses>();
  const pointers = new Map<string, string>();
  for (const endpoint of endpoints) {
    const names = new Set([endpoint.name, ...endpoint.aliases].map((each) => each.toLowerCase()));
    for (const each of names) {
      if (each.startsWith("*.")) extend(wildcards, each.slice(2), endpoint);
      else extend(addresses, each, endpoint);
    }
    const called = `${endpoint.name}.${name}`;
    if (nameBytes(called) === undefined) continue; // too long to be told
    for (const address of [...endpoint.v4, ...endpoint.v6]) pointers.set(addressKey(address), called);
  }
  return { name: name.toLowerCase(), addresses, wildcards, pointers };
}

function extend(map: Map<string, NameAddresses>, name: string, { v4, v6 }: NameAddresses): void {
  const before = map.get(name);
  map.set(name, { v4: [...(before?.v4 ?? []), ...v4], v6: [...(before?.v6 ?? []), ...v6] });
}

/** An address as a key of `pointers`. */
export function addressKey(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}

/** The addresses of a name in lower case; undefined when nobody of the container's networks has it. */
export function findName(view: NameView, name: string): NameAddresses | undefined {
  return view.hosts.get(name) ?? inNetworks(view, view.links.get(name) ?? name);
}

function inNetworks(view: NameView, name: string): NameAddresses | undefined {
  for (const network of view.networks) {
    const found = inNetwork(network, name) ?? inNetwork(network, withoutSuffix(name, network.name));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** "web" for "web.net" in the network "net". */
function withoutSuffix(name: string, suffix: string): string | undefined {
  return name.endsWith(`.${suffix}`) ? name.slice(0, -suffix.length - 1) : undefined;
}

function inNetwork(network: NetworkNames, name: string | undefined): NameAddresses | undefined {
  if (name === undefined) return undefined;
  const exact = network.addresses.get(name);
  if (exact !== undefined || network.wildcards.size === 0) return exact;
  for (let dot = name.indexOf("."); dot >= 0; dot = name.indexOf(".", dot + 1)) {
    const found = network.wildcards.get(name.slice(dot + 1));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What the address behind a name below in-addr.arpa or ip6.arpa is called. */
export function findPointer(view: NameView, name: string): string | undefined {
  const key = reverseKey(name);
  if (key === undefined) return undefined;
  for (const network of view.networks) {
    const found = network.pointers.get(key);
    if (found !== undefined) return found;
  }
  return undefined;
}

function reverseKey(name: string): string | undefined {
  const v4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/.exec(name);
  if (v4 !== null) {
    const numbers = v4.slice(1).reverse().map(Number);
    return numbers.every((number) => number <= 255) ? addressKey(Uint8Array.from(numbers)) : undefined;
  }
  const v6 = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name);
  return v6?.[1]?.split(".").reverse().join("");
}
