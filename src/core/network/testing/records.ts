/** Records for tests: networks of 10.9.0.0/24 and fd00:9::/64, and their members by number. */
import type { EndpointRecord } from "../endpoint-record.ts";
import type { NetworkRecord } from "../network-record.ts";

export function networkRecord(
  driver: NetworkRecord["driver"],
  options: Readonly<Record<string, string>> = {},
): NetworkRecord {
  const subnet = { subnet: "10.9.0.0/24", range: "", gateway: "10.9.0.1", auxiliary: {} };
  const subnet6 = { subnet: "fd00:9::/64", range: "", gateway: "fd00:9::1", auxiliary: {} };
  return {
    id: "ab".repeat(32),
    name: "net",
    created: "2026-01-01T00:00:00Z",
    driver,
    hasIpv4: true,
    hasIpv6: true,
    isInternal: false,
    isAttachable: false,
    isConfigOnly: false,
    configFrom: "",
    options,
    labels: {},
    ipam: { options: null, ipv4: [], ipv6: [] },
    subnets: { ipv4: [subnet], ipv6: [subnet6] },
  };
}

export function endpointRecord(number: number): EndpointRecord {
  return {
    id: `${number}`.repeat(64),
    network: "ab".repeat(32),
    container: "cd".repeat(32),
    interfaceName: "eth0",
    macAddress: `02:42:0a:09:00:0${number}`,
    ipv4: `10.9.0.${number}/24`,
    ipv6: `fd00:9::${number}/64`,
    linkLocalIps: ["169.254.7.7"],
    ipv4Gateway: "10.9.0.1",
    ipv6Gateway: "fd00:9::1",
    names: [],
    exposed: [],
    ports: [],
  };
}
