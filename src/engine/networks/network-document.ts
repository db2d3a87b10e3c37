/** A network as GET /networks and /networks/{id} show it. Pure. */
import type { EndpointRecord } from "../../core/network/endpoint-record.ts";
import type { NetworkRecord } from "../../core/network/network-record.ts";
import type { SubnetConfig } from "../../core/network/subnet-config.ts";
import type { EndpointResource, IpamConfigDocument, NetworkInspect } from "../../specs/engine/network.ts";
import { sortedMap } from "./sorted-map.ts";

export interface NetworkMember {
  /** The container's. */
  readonly name: string;
  readonly endpoint: EndpointRecord;
}

/** `members`: who is in it, for inspect; lists leave them out. */
export function networkDocument(record: NetworkRecord, members: readonly NetworkMember[]): NetworkInspect {
  return {
    Name: record.name,
    Id: record.id,
    Created: record.created,
    Scope: "local",
    Driver: record.driver,
    EnableIPv4: record.hasIpv4,
    EnableIPv6: record.hasIpv6,
    IPAM: { Driver: "default", Options: ipamOptions(record), Config: ipamConfig(record) },
    Internal: record.isInternal,
    Attachable: record.isAttachable,
    Ingress: false,
    ConfigFrom: { Network: record.configFrom },
    ConfigOnly: record.isConfigOnly,
    Containers: sortedMap(members.map((member) => [member.endpoint.container, resourceOf(member)])),
    Options: sortedMap(Object.entries(record.options)),
    Labels: sortedMap(Object.entries(record.labels)),
  };
}

function resourceOf({ name, endpoint }: NetworkMember): EndpointResource {
  return {
    Name: name,
    EndpointID: endpoint.id,
    MacAddress: endpoint.macAddress,
    IPv4Address: endpoint.ipv4,
    IPv6Address: endpoint.ipv6,
  };
}

function ipamOptions({ ipam }: NetworkRecord): Readonly<Record<string, string>> | null {
  return ipam.options === null ? null : sortedMap(Object.entries(ipam.options));
}

/** What the user wrote, word by word; behind it, of a family that he said nothing of, what was chosen. */
function ipamConfig({ ipam, subnets }: NetworkRecord): readonly IpamConfigDocument[] | null {
  const chosen = [
    ...(ipam.ipv4.length === 0 ? subnets.ipv4 : []),
    ...(ipam.ipv6.length === 0 ? subnets.ipv6 : []),
  ];
  const configs = [...ipam.ipv4, ...ipam.ipv6, ...chosen].map(configDocument);
  return configs.length === 0 ? null : configs;
}

function configDocument({ subnet, range, gateway, auxiliary }: SubnetConfig): IpamConfigDocument {
  return {
    ...(subnet === "" ? {} : { Subnet: subnet }),
    ...(range === "" ? {} : { IPRange: range }),
    ...(gateway === "" ? {} : { Gateway: gateway }),
    ...(Object.keys(auxiliary).length === 0
      ? {}
      : { AuxiliaryAddresses: sortedMap(Object.entries(auxiliary)) }),
  };
}
