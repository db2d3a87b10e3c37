/** Whether subnets, ranges, gateways and auxiliary addresses of a request make sense together. Every fault is named. Pure. */
import { parseIp } from "../../base/ip-address.ts";
import { fail } from "../../base/errors.ts";
import {
  containsAddress,
  formatPrefix,
  type IpPrefix,
  isMasked,
  masked,
  overlaps,
  parsePrefix,
} from "../../base/ip-prefix.ts";
import type { IpamConfig } from "../../specs/engine/network.ts";
import { listed } from "./faults.ts";

/** `withIpv6` false: IPv6 subnets are not used, and not looked at either. Throws `invalid_argument`. */
export function checkIpam(configs: readonly IpamConfig[], withIpv6: boolean): void {
  const faults = configs.flatMap((config) => faultsOf(config, withIpv6));
  if (faults.length > 0) throw fail("invalid_argument", `invalid network config:\n${listed(faults)}`);
}

function faultsOf(config: IpamConfig, withIpv6: boolean): readonly string[] {
  const subnet = parsePrefix(config.Subnet);
  if (subnet === undefined) return [`invalid subnet ${config.Subnet}: invalid CIDR block notation`];
  if (subnet.family === 6 && !withIpv6) return [];
  const faults: string[] = [];
  if (!isMasked(subnet))
    faults.push(`invalid subnet ${formatPrefix(subnet)}: it should be ${formatPrefix(masked(subnet))}`);
  faults.push(...rangeFaults(config.IPRange, subnet));
  const gateway = addressFault(config.Gateway, subnet);
  if (gateway !== undefined) faults.push(`invalid gateway ${config.Gateway}: ${gateway}`);
  for (const [name, text] of Object.entries(config.AuxiliaryAddresses)) {
    const fault = addressFault(text, subnet);
    if (fault !== undefined) faults.push(`invalid auxiliary address ${name}: ${fault}`);
  }
  return faults;
}

function rangeFaults(text: string, subnet: IpPrefix): readonly string[] {
  if (text === "") return [];
  const range = parsePrefix(text);
  if (range === undefined) return [`invalid ip-range ${text}: invalid CIDR block notation`];
  if (range.family !== subnet.family)
    return [`invalid ip-range ${text}: parent subnet is an IPv${subnet.family} block`];
  const faults: string[] = [];
  if (range.bits < subnet.bits)
    faults.push(
      `invalid ip-range ${text}: CIDR block is bigger than its parent subnet ${formatPrefix(subnet)}`,
    );
  if (!isMasked(range))
    faults.push(`invalid ip-range ${formatPrefix(range)}: it should be ${formatPrefix(masked(range))}`);
  if (!overlaps(subnet, range))
    faults.push(`invalid ip-range ${text}: parent subnet ${formatPrefix(subnet)} doesn't contain ip-range`);
  return faults;
}

function addressFault(text: string, subnet: IpPrefix): string | undefined {
  if (text === "") return undefined;
  const address = parseIp(text);
  if (address === undefined) return "invalid address";
  if (address.family !== subnet.family) return `parent subnet is an IPv${subnet.family} block`;
  if (!containsAddress(subnet, address))
    return `parent subnet ${formatPrefix(subnet)} doesn't contain this address`;
  return undefined;
}
