/**
 * The pools that subnets of networks are cut from when a user names none: `default-address-pools` of daemon.json, or
 * Docker's own, and for IPv6 a prefix of this host's own (RFC 4193). Pure.
 */
import { createHash } from "node:crypto";
import { bitsOf, formatIp, type IpFamily } from "../../base/ip-address.ts";
import { fail } from "../../base/errors.ts";
import {
  comparePrefixes,
  containsPrefix,
  type IpPrefix,
  lastAddress,
  masked,
  overlaps,
  parseCidr,
  parsePrefix,
  prefixOf,
  sizeOf,
} from "../../base/ip-prefix.ts";
import { asList, Fields } from "../../specs/engine/fields.decode.ts";

/** `size`: length of the prefixes that are cut from `base`. */
export interface AddressPool {
  readonly base: IpPrefix;
  readonly size: number;
}

export const DEFAULT_POOLS: readonly AddressPool[] = [
  { base: parseCidr("172.17.0.0/16"), size: 16 },
  { base: parseCidr("172.18.0.0/16"), size: 16 },
  { base: parseCidr("172.19.0.0/16"), size: 16 },
  { base: parseCidr("172.20.0.0/14"), size: 16 },
  { base: parseCidr("172.24.0.0/14"), size: 16 },
  { base: parseCidr("172.28.0.0/14"), size: 16 },
  { base: parseCidr("192.168.0.0/16"), size: 20 },
];

/** `default-address-pools` of daemon.json: [{"base": "10.10.0.0/16", "size": 24}]. Throws `invalid_argument`. */
export function decodeAddressPools(value: unknown): readonly AddressPool[] {
  return asList(value, "default-address-pools", (entry, path) => {
    const fields = new Fields(entry, path);
    const text = fields.str("base");
    const base = parsePrefix(text);
    const size = fields.int("size");
    const refused = (why: string): Error =>
      fail("invalid_argument", `invalid address pool "${path}": ${why}`);
    if (base === undefined) throw refused(`invalid base pool ${JSON.stringify(text)}: no CIDR notation`);
    if (size < base.bits)
      throw refused(`its size /${size} is larger than the pool itself, which is a /${base.bits}`);
    if (size <= 0 || size > bitsOf(base.family)) throw refused(`no size of a prefix: ${size}`);
    return { base: masked(base), size };
  });
}

/** What is configured, or Docker's; with this host's own prefix where there is no pool for IPv6. */
export function poolsOf(configured: readonly AddressPool[], hostId: string): readonly AddressPool[] {
  const pools = configured.length > 0 ? configured : DEFAULT_POOLS;
  return pools.some(({ base }) => base.family === 6) ? pools : [...pools, uniqueLocalPool(hostId)];
}

/** `fd` and forty bits that are this host's, always the same ones; cut to /64. */
export function uniqueLocalPool(hostId: string): AddressPool {
  const hash = createHash("sha256").update(hostId).digest();
  const globalId = hash.readBigUInt64BE(0) & 0xff_ffff_ffffn;
  return { base: { family: 6, value: (0xfdn << 120n) | (globalId << 80n), bits: 48 }, size: 64 };
}

/**
 * The first subnet of the pools that overlaps nothing in `taken`: other networks, routes of the host. Visits each of those
 * at most once a pool. Throws `invalid_argument` when there is none.
 */
export function chooseSubnet(
  pools: readonly AddressPool[],
  family: IpFamily,
  taken: readonly IpPrefix[],
): IpPrefix {
  const obstacles = taken.filter((each) => each.family === family).sort(comparePrefixes);
  for (const pool of ofFamily(pools, family)) {
    const subnet = firstGap(pool, obstacles);
    if (subnet !== undefined) return subnet;
  }
  throw fail("invalid_argument", "all predefined address pools have been fully subnetted");
}

/** In the order of their addresses, without those that lie in another one. */
function ofFamily(pools: readonly AddressPool[], family: IpFamily): readonly AddressPool[] {
  const sorted = pools
    .filter(({ base }) => base.family === family)
    .sort((a, b) => comparePrefixes(a.base, b.base));
  return sorted.filter(
    ({ base }, at) => !sorted.slice(0, at).some((other) => containsPrefix(other.base, base)),
  );
}

/** `obstacles` in the order of their addresses. */
function firstGap({ base, size }: AddressPool, obstacles: readonly IpPrefix[]): IpPrefix | undefined {
  const end = lastAddress(base).value;
  let candidate = prefixOf({ family: base.family, value: base.value }, size);
  for (const obstacle of obstacles) {
    if (!overlaps(candidate, obstacle)) continue;
    const step = sizeOf(candidate);
    const behind = lastAddress(obstacle).value + 1n;
    const value = ((behind + step - 1n) / step) * step;
    if (value > end) return undefined;
    candidate = { ...candidate, value };
  }
  return candidate;
}

/** For `docker info`. */
export function poolDocuments(pools: readonly AddressPool[]): readonly { Base: string; Size: number }[] {
  return pools.map(({ base, size }) => ({ Base: `${formatIp(base)}/${base.bits}`, Size: size }));
}
