/** UDP that was led to a container, or past it: flows go on as they began for as long as somebody sends. */
import { ipBytes, isUnspecified, parseIp } from "../../base/ip-address.ts";
import type { Native } from "../../linux/native.ts";
import { forgetFlows } from "../../linux/netlink/conntrack.ts";
import type { Publication } from "./publications.ts";

/** Has what comes next decided by the firewall as it is now. Looks through all the kernel's flows for each port. */
export async function forgetPublished(
  native: Pick<Native, "netlink">,
  publications: readonly Publication[],
): Promise<void> {
  for (const { protocol, hostIp, hostPort } of publications) {
    const address = parseIp(hostIp);
    if (protocol !== "udp" || hostPort === 0 || address === undefined) continue;
    await forgetFlows(native, undefined, {
      family: address.family === 4 ? "ipv4" : "ipv6",
      protocol,
      originalDestination: {
        port: hostPort,
        address: isUnspecified(address) ? undefined : ipBytes(address),
      },
    });
  }
}
