/** What the firewall has to know of a network's record. Pure. */
import { formatIp } from "../../../base/ip-address.ts";
import { driverSettings } from "../driver-settings.ts";
import { bridgeNameOf } from "../link-names.ts";
import type { NetworkRecord } from "../network-record.ts";
import type { FirewallNetwork } from "./firewall.ts";

/** Undefined: the host does not come between its containers and the world (all drivers but "bridge"). */
export function firewallNetworkOf(record: NetworkRecord): FirewallNetwork | undefined {
  const settings = driverSettings(record);
  if (settings.kind !== "bridge") return undefined;
  const { allowsNeighbours, masquerades, ipv4Mode, ipv6Mode, hostIpv4, hostIpv6 } = settings;
  return {
    bridge: bridgeNameOf(record),
    internal: record.isInternal,
    icc: allowsNeighbours,
    masquerade: masquerades,
    gatewayMode: { ipv4: ipv4Mode, ipv6: ipv6Mode },
    hostIpv4: hostIpv4 === undefined ? undefined : formatIp(hostIpv4),
    hostIpv6: hostIpv6 === undefined ? undefined : formatIp(hostIpv6),
    trustedInterfaces: settings.trustedInterfaces,
  };
}
