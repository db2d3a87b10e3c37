/** What an endpoint is inside of its container: addresses, and the routes to what is not in its networks. Pure. */
import { ipBytes, parseIp } from "../../../base/ip-address.ts";
import { fail } from "../../../base/errors.ts";
import { addressOf, type IpPrefix, parseCidr } from "../../../base/ip-prefix.ts";
import type { Subnet } from "../../../linux/netlink/addresses.ts";
import { defaultVia } from "../../../linux/netlink/routes.ts";
import type { EndpointRecord } from "../endpoint-record.ts";
import type { Interior, Ways } from "./driver.ts";

/** Link-local addresses are given with these lengths, as Docker gives them. */
const LINK_LOCAL_BITS = { 4: 16, 6: 64 } as const;

export function interiorOf(endpoint: EndpointRecord, ways: Ways): Interior {
  const { ipv4, ipv6, linkLocalIps, ipv4Gateway, ipv6Gateway } = endpoint;
  const addresses = [ipv4, ipv6].filter((text) => text !== "").map((text) => subnetOf(parseCidr(text)));
  const gateways = [ways.ipv4 ? ipv4Gateway : "", ways.ipv6 ? ipv6Gateway : ""];
  return {
    addresses: [...addresses, ...linkLocalIps.map(linkLocal)],
    routes: gateways.filter((text) => text !== "").map((text) => defaultVia(bytesOf(text))),
    ways,
  };
}

export function subnetOf(prefix: IpPrefix): Subnet {
  return { address: ipBytes(addressOf(prefix)), prefix: prefix.bits };
}

function linkLocal(text: string): Subnet {
  const address = bytesOf(text);
  return { address, prefix: LINK_LOCAL_BITS[address.length === 4 ? 4 : 6] };
}

function bytesOf(text: string): Uint8Array {
  const address = parseIp(text);
  if (address === undefined) throw fail("internal", `a stored address "${text}" is none`);
  return ipBytes(address);
}

/** "02:42:ac:11:00:02" */
export function macBytes(text: string): Uint8Array | undefined {
  if (text === "") return undefined;
  return Uint8Array.from(text.split(":"), (part) => Number.parseInt(part, 16));
}
