/**
 * What network links have carried, as the namespace they are in counts. linux/if_link.h:
 *
 *     struct rtnl_link_stats64    u64 each: packets in, out | bytes in, out | errors in, out | dropped in, out | …
 */
import { closeSync, openSync } from "node:fs";
import { errnoOf } from "../../base/errors.ts";
import type { Native } from "../native.ts";
import { networkNamespaceOf } from "../namespace-path.ts";
import { listing, PROTOCOL } from "./exchange.ts";
import { countersQuestion, IFLA } from "./links.ts";
import { type Answer, read, readAttributes } from "./message.ts";

export interface Traffic {
  readonly bytes: bigint;
  readonly packets: bigint;
  readonly errors: bigint;
  readonly dropped: bigint;
}

export interface LinkCounters {
  readonly received: Traffic;
  readonly sent: Traffic;
}

type Kernel = Pick<Native, "netlink">;

/** All links of a process's network namespace, by name; undefined when the process is gone. */
export async function linkCountersOf(
  native: Kernel,
  pid: number,
): Promise<ReadonlyMap<string, LinkCounters> | undefined> {
  const namespace = openNamespace(pid);
  if (namespace === undefined) return undefined;
  try {
    return await listLinkCounters(native, namespace);
  } finally {
    closeSync(namespace);
  }
}

function openNamespace(pid: number): number | undefined {
  try {
    return openSync(networkNamespaceOf(pid), "r");
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes(errnoOf(error) ?? "")) return undefined;
    throw error;
  }
}

export async function listLinkCounters(
  native: Kernel,
  namespace: number | undefined,
): Promise<ReadonlyMap<string, LinkCounters>> {
  const answers = await listing(native, PROTOCOL.route, namespace, countersQuestion());
  return new Map(answers.flatMap(readCounters));
}

const HEADER_BYTES = 16;
const COUNTED_BYTES = 8 * 8;

/** Of an RTM_NEWLINK. A link that counts nothing is left out. */
export function readCounters({ payload }: Answer): readonly (readonly [string, LinkCounters])[] {
  const attributes = readAttributes(payload, HEADER_BYTES);
  const [name, counters] = [attributes.get(IFLA.name), attributes.get(IFLA.statistics)];
  if (name === undefined || counters === undefined || counters.length < COUNTED_BYTES) return [];
  const traffic = (way: 0 | 1): Traffic => {
    const at = (pair: number): bigint => read.u64(counters, (2 * pair + way) * 8);
    return { packets: at(0), bytes: at(1), errors: at(2), dropped: at(3) };
  };
  return [[read.string(name), { received: traffic(0), sent: traffic(1) }]];
}
