/**
 * Which subnets networks have and which addresses of them are given: in memory, rebuilt from the records at start, so a
 * crash leaves nothing behind here. Addresses are given lowest first, as Docker gives them; a subnet's own address and
 * its broadcast address never are.
 *
 * Two networks may have one subnet when each has its own range of it: they then share one set of addresses, so that none
 * is given twice.
 */
import { formatIp, type IpAddress, type IpFamily, parseIp } from "../../base/ip-address.ts";
import { fail, type GantryError, messageOf } from "../../base/errors.ts";
import {
  addressOf,
  containsAddress,
  firstAddress,
  formatPrefix,
  type IpPrefix,
  lastAddress,
  masked,
  overlaps,
  parseCidr,
  prefixOf,
  samePrefix,
  sizeOf,
} from "../../base/ip-prefix.ts";
import { AddressRuns } from "./address-runs.ts";
import { type AddressPool, chooseSubnet } from "./pools.ts";
import type { SubnetConfig } from "./subnet-config.ts";

export interface SubnetsRequest {
  /** Network id. */
  readonly id: string;
  /** As the user wrote them, checked by `checkIpam`; an entry without subnet has one chosen. */
  readonly ipv4: readonly SubnetConfig[];
  readonly ipv6: readonly SubnetConfig[];
  /** Where the host's packets go already: no subnet is chosen there. A default route stands in nobody's way. */
  readonly routes: readonly IpPrefix[];
  /** Families in which the network has no gateway of its own unless the user named one. */
  readonly withoutGateway: readonly IpFamily[];
}

/** Subnets with everything decided: gateways, too. */
export interface Subnets {
  readonly ipv4: readonly SubnetConfig[];
  readonly ipv6: readonly SubnetConfig[];
}

/** What is known of one block of addresses; networks with ranges of it share it. */
interface Block {
  readonly prefix: IpPrefix;
  readonly taken: AddressRuns;
  /** By network id; undefined = the whole of it. */
  readonly owners: Map<string, IpPrefix | undefined>;
}

interface Share {
  readonly block: Block;
  readonly range: IpPrefix | undefined;
  readonly config: SubnetConfig;
}

export class Ipam {
  readonly #pools: readonly AddressPool[];
  /** By the prefix's text. */
  readonly #blocks = new Map<string, Block>();
  readonly #networks = new Map<string, readonly Share[]>();

  constructor(pools: readonly AddressPool[]) {
    this.#pools = pools;
  }

  /** Takes the subnets of a new network, all or none. Throws `forbidden`, or `invalid_argument` when the pools are used up. */
  reserve(request: SubnetsRequest): Subnets {
    const shares: Share[] = [];
    try {
      for (const [family, configs] of [
        [4, request.ipv4],
        [6, request.ipv6],
      ] as const)
        for (const config of configs) shares.push(this.#reserveSubnet(request, family, config));
    } catch (error) {
      this.#release(request.id, shares);
      throw error;
    }
    this.#networks.set(request.id, shares);
    const ofFamily = (family: IpFamily): readonly SubnetConfig[] =>
      shares.filter(({ block }) => block.prefix.family === family).map(({ config }) => config);
    return { ipv4: ofFamily(4), ipv6: ofFamily(6) };
  }

  /** The subnets of a stored network, as `reserve` gave them; what overlaps by now is taken all the same. */
  restore(id: string, { ipv4, ipv6 }: Subnets): void {
    const shares = [...ipv4, ...ipv6].map((config) => {
      const prefix = masked(parseCidr(config.subnet));
      const range = config.range === "" ? undefined : masked(parseCidr(config.range));
      const block = this.#blockOf(prefix);
      block.owners.set(id, range);
      for (const text of [config.gateway, ...Object.values(config.auxiliary)]) take(block, text);
      return { block, range, config };
    });
    this.#networks.set(id, shares);
  }

  /** All that the network has. */
  release(id: string): void {
    this.#release(id, this.#networks.get(id) ?? []);
    this.#networks.delete(id);
  }

  /** The subnets of all networks. */
  subnets(): readonly IpPrefix[] {
    return [...this.#blocks.values()].map(({ prefix }) => prefix);
  }

  /**
   * The lowest free address, or the one that is wanted, with its subnet's length. Throws `forbidden` when that one is taken,
   * `invalid_argument` when it is in no subnet of the network, `unavailable` when none is left.
   */
  allocate(
    network: { readonly id: string; readonly name: string },
    family: IpFamily,
    wanted?: IpAddress,
  ): IpPrefix {
    const shares = this.#sharesOf(network.id, family);
    for (const { block, range } of shares) {
      if (wanted !== undefined) {
        if (!containsAddress(block.prefix, wanted)) continue;
        if (!block.taken.add(wanted.value)) throw inUse();
        return prefixOf(wanted, block.prefix.bits);
      }
      const address = takeLowest(block, range);
      if (address !== undefined) return prefixOf(address, block.prefix.bits);
    }
    if (wanted !== undefined)
      throw fail(
        "invalid_argument",
        `invalid address ${formatIp(wanted)}: It does not belong to any of this network's subnets`,
      );
    throw fail(
      "unavailable",
      `no available IPv${family} addresses on this network's address pools: ${network.name} (${network.id})`,
    );
  }

  /** An address that a stored endpoint has. False when it is nobody's to have: another has it, or no subnet does. */
  restoreAddress(id: string, address: IpAddress): boolean {
    const share = this.#shareOf(id, address);
    return share?.block.taken.add(address.value) ?? false;
  }

  /** Twice is fine. Gateways and auxiliary addresses stay the network's. */
  releaseAddress(id: string, address: IpAddress): void {
    const share = this.#shareOf(id, address);
    if (share === undefined || isReserved(share, address)) return;
    share.block.taken.remove(address.value);
  }

  #sharesOf(id: string, family: IpFamily): readonly Share[] {
    return (this.#networks.get(id) ?? []).filter(({ block }) => block.prefix.family === family);
  }

  #shareOf(id: string, address: IpAddress): Share | undefined {
    return this.#networks.get(id)?.find(({ block }) => containsAddress(block.prefix, address));
  }

  #reserveSubnet(request: SubnetsRequest, family: IpFamily, config: SubnetConfig): Share {
    const prefix =
      config.subnet === ""
        ? chooseSubnet(this.#pools, family, [
            ...this.subnets(),
            ...request.routes.filter(({ bits }) => bits > 0),
          ])
        : masked(parseCidr(config.subnet));
    const range = config.range === "" ? undefined : masked(parseCidr(config.range));
    this.#checkOverlap(prefix, range);
    const block = this.#blockOf(prefix);
    block.owners.set(request.id, range);
    const given: string[] = [];
    try {
      const wantsGateway = config.gateway !== "" || !request.withoutGateway.includes(family);
      const gateway = wantsGateway ? reserveGateway(block, range, config.gateway) : "";
      if (gateway !== "") given.push(gateway);
      for (const [name, text] of Object.entries(config.auxiliary)) {
        if (!take(block, text))
          throw cannot(`failed to allocate secondary ip address (${name}:${text})`, inUse());
        given.push(text);
      }
      return { block, range, config: { ...config, subnet: formatPrefix(prefix), gateway } };
    } catch (error) {
      for (const text of given) give(block, text);
      this.#disown(block, request.id);
      throw error;
    }
  }

  #checkOverlap(prefix: IpPrefix, range: IpPrefix | undefined): void {
    for (const block of this.#blocks.values()) {
      if (!overlaps(block.prefix, prefix)) continue;
      const ranges = [...block.owners.values()];
      const isShared =
        samePrefix(block.prefix, prefix) &&
        range !== undefined &&
        ranges.every((other) => other !== undefined && !overlaps(other, range));
      if (!isShared)
        throw fail("forbidden", "invalid pool request: Pool overlaps with other one on this address space");
    }
  }

  #blockOf(prefix: IpPrefix): Block {
    const key = formatPrefix(prefix);
    const known = this.#blocks.get(key);
    if (known !== undefined) return known;
    const block: Block = { prefix, taken: new AddressRuns(), owners: new Map() };
    // Of a point-to-point link (/31, RFC 3021) and of a single address everything can be given.
    const isWide = sizeOf(prefix) > 2n;
    if (isWide || prefix.family === 6) block.taken.add(firstAddress(prefix).value);
    if (isWide && prefix.family === 4) block.taken.add(lastAddress(prefix).value);
    this.#blocks.set(key, block);
    return block;
  }

  #release(id: string, shares: readonly Share[]): void {
    for (const { block, config } of shares) {
      for (const text of [config.gateway, ...Object.values(config.auxiliary)]) give(block, text);
      this.#disown(block, id);
    }
  }

  #disown(block: Block, id: string): void {
    block.owners.delete(id);
    if (block.owners.size === 0) this.#blocks.delete(formatPrefix(block.prefix));
  }
}

function reserveGateway(block: Block, range: IpPrefix | undefined, wanted: string): string {
  if (wanted !== "") {
    if (!take(block, wanted)) throw cannot(`failed to allocate gateway (${wanted})`, inUse());
    return wanted;
  }
  const lowest = takeLowest(block, range);
  if (lowest === undefined)
    throw cannot("failed to allocate gateway ()", fail("unavailable", "no available addresses on this pool"));
  return formatIp(lowest);
}

function takeLowest({ prefix, taken }: Block, range: IpPrefix | undefined): IpAddress | undefined {
  const within = range ?? prefix;
  const value = taken.firstFree(addressOf(within).value, lastAddress(within).value);
  if (value === undefined) return undefined;
  taken.add(value);
  return { family: prefix.family, value };
}

/** False when it is taken. */
function take({ taken }: Block, text: string): boolean {
  const address = parseIp(text);
  return address !== undefined && taken.add(address.value);
}

function give({ taken }: Block, text: string): void {
  const address = parseIp(text);
  if (address !== undefined) taken.remove(address.value);
}

function isReserved({ block, config }: Share, { family, value }: IpAddress): boolean {
  const { prefix } = block;
  if (sizeOf(prefix) > 2n && value === firstAddress(prefix).value) return true;
  if (sizeOf(prefix) > 2n && family === 4 && value === lastAddress(prefix).value) return true;
  return [config.gateway, ...Object.values(config.auxiliary)].some((text) => parseIp(text)?.value === value);
}

function inUse(): GantryError {
  return fail("forbidden", "Address already in use");
}

function cannot(action: string, cause: GantryError): GantryError {
  return fail(cause.category, `${action}: ${messageOf(cause)}`, cause);
}
