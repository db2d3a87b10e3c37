/** `--subnet`, `--ip-range`, `--gateway` and `--aux-address` of `network create`, which belong together by their addresses. */
import { parseIp } from "../../base/ip-address.ts";
import {
  addressOf,
  containsAddress,
  type IpPrefix,
  overlaps,
  parseCidr,
  parsePrefix,
} from "../../base/ip-prefix.ts";
import { fromPairs } from "./values.ts";

export interface SubnetFlags {
  readonly subnets: readonly string[];
  readonly ranges: readonly string[];
  readonly gateways: readonly string[];
  /** "name=address". */
  readonly auxiliary: readonly string[];
}

interface Draft {
  readonly prefix: IpPrefix;
  readonly text: string;
  range: string;
  gateway: string;
  readonly auxiliary: [string, string][];
}

/** IPAM.Config of the request, in the order of the subnets. */
export function subnetConfigs({ subnets, ranges, gateways, auxiliary }: SubnetFlags): readonly object[] {
  if (subnets.length < ranges.length || subnets.length < gateways.length)
    throw new Error("every ip-range or gateway must have a corresponding subnet");
  const drafts = subnets.map(
    (text): Draft => ({ prefix: subnetOf(text), text, range: "", gateway: "", auxiliary: [] }),
  );
  if (drafts.some(({ prefix }, at) => drafts.slice(0, at).some((other) => overlaps(prefix, other.prefix))))
    throw new Error("multiple overlapping subnet configuration is not supported");
  for (const range of ranges) addRange(drafts, range);
  for (const gateway of gateways) addGateway(drafts, gateway);
  for (const entry of auxiliary) addAuxiliary(drafts, entry);
  return drafts.map(({ text, range, gateway, auxiliary: names }) => ({
    Subnet: text,
    ...(range === "" ? {} : { IPRange: range }),
    ...(gateway === "" ? {} : { Gateway: gateway }),
    ...(names.length === 0 ? {} : { AuxiliaryAddresses: fromPairs(names) }),
  }));
}

function subnetOf(text: string): IpPrefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(`invalid subnet: invalid CIDR address: ${text}`);
  return prefix;
}

function addRange(drafts: readonly Draft[], range: string): void {
  const prefix = parseCidr(range);
  const draft = drafts.find((each) => containsAddress(each.prefix, addressOf(prefix)));
  if (draft === undefined) throw new Error(`no matching subnet for range ${range}`);
  if (draft.range !== "")
    throw new Error(
      `cannot configure multiple ranges (${range}, ${draft.range}) on the same subnet (${draft.text})`,
    );
  draft.range = range;
}

function addGateway(drafts: readonly Draft[], gateway: string): void {
  const draft = holderOf(drafts, gateway);
  if (draft === undefined) throw new Error(`no matching subnet for gateway ${gateway}`);
  if (draft.gateway !== "")
    throw new Error(
      `cannot configure multiple gateways (${gateway}, ${draft.gateway}) for the same subnet (${draft.text})`,
    );
  draft.gateway = gateway;
}

function addAuxiliary(drafts: readonly Draft[], entry: string): void {
  const cut = entry.indexOf("=");
  const [name, address] = cut < 0 ? [entry, ""] : [entry.slice(0, cut), entry.slice(cut + 1)];
  const draft = holderOf(drafts, address);
  if (draft === undefined) throw new Error(`no matching subnet for aux-address ${address}`);
  draft.auxiliary.push([name, address]);
}

function holderOf(drafts: readonly Draft[], text: string): Draft | undefined {
  const address = parseIp(text);
  return address && drafts.find(({ prefix }) => containsAddress(prefix, address));
}
