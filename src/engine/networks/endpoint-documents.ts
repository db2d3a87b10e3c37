/** A container's networks and ports as inspect and list show them. Pure. */
import { addressOf, type IpPrefix, parsePrefix } from "../../base/ip-prefix.ts";
import { formatIp } from "../../base/ip-address.ts";
import type { AttachmentRecord, EndpointRecord } from "../../core/network/endpoint-record.ts";
import { formatPort, parsePortKey } from "../../specs/engine/port.ts";
import {
  type EndpointSettings,
  NO_ENDPOINT,
  type NetworkSettings,
  type Port,
} from "../../specs/engine/container.ts";
import type { EndpointConfig, EndpointIpamDocument } from "../../specs/engine/network.ts";
import { sortedMap } from "./sorted-map.ts";

/** One network of a container: what it asked, and what it has while it runs. */
export interface Membership {
  readonly attachment: AttachmentRecord;
  readonly endpoint: EndpointRecord | undefined;
}

export interface Sandbox {
  /** "" = none: the container does not run. */
  readonly id: string;
  /** Path of its network namespace. */
  readonly key: string;
}

export const NO_SANDBOX: Sandbox = { id: "", key: "" };

/** NetworkSettings of GET /containers/{id}/json. */
export function networkSettings(memberships: readonly Membership[], sandbox: Sandbox): NetworkSettings {
  const networks = networksOf(memberships, endpointSettings);
  const { EndpointID, Gateway, GlobalIPv6Address, GlobalIPv6PrefixLen, IPAddress, IPPrefixLen, ...bridge } =
    networks["bridge"] ?? NO_ENDPOINT;
  return {
    Bridge: "",
    SandboxID: sandbox.id,
    SandboxKey: sandbox.key,
    Ports: portsDocument(memberships.flatMap(({ endpoint }) => endpoint ?? [])),
    HairpinMode: false,
    LinkLocalIPv6Address: "",
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID,
    Gateway,
    GlobalIPv6Address,
    GlobalIPv6PrefixLen,
    IPAddress,
    IPPrefixLen,
    IPv6Gateway: bridge.IPv6Gateway,
    MacAddress: bridge.MacAddress,
    Networks: networks,
  };
}

/** NetworkSettings.Networks of GET /containers/json: less of each. */
export function networkSummaries(
  memberships: readonly Membership[],
): Readonly<Record<string, EndpointSettings>> {
  return networksOf(memberships, (membership) => {
    const settings = endpointSettings(membership);
    const { LinkLocalIPs: _, ...ipam } = settings.IPAMConfig ?? {};
    return {
      ...settings,
      IPAMConfig: settings.IPAMConfig === null ? null : ipam,
      Links: null,
      Aliases: null,
      DriverOpts: null,
      DNSNames: null,
    };
  });
}

function networksOf(
  memberships: readonly Membership[],
  show: (membership: Membership) => EndpointSettings,
): Readonly<Record<string, EndpointSettings>> {
  return sortedMap(memberships.map((membership) => [membership.attachment.network, show(membership)]));
}

/** Of a network in which a container has nothing of its own. */

export function endpointSettings({ attachment, endpoint }: Membership): EndpointSettings {
  const { config } = attachment;
  const asked: EndpointSettings = {
    ...NO_ENDPOINT,
    IPAMConfig: ipamDocument(config),
    Links: config.Links,
    Aliases: config.Aliases,
    MacAddress: config.MacAddress,
    DriverOpts: config.DriverOpts === null ? null : sortedMap(Object.entries(config.DriverOpts)),
    GwPriority: config.GwPriority,
    NetworkID: attachment.networkId,
  };
  if (endpoint === undefined) return asked;
  const ipv4 = parsePrefix(endpoint.ipv4);
  const ipv6 = parsePrefix(endpoint.ipv6);
  return {
    ...asked,
    MacAddress: endpoint.macAddress,
    NetworkID: endpoint.network,
    EndpointID: endpoint.id,
    Gateway: endpoint.ipv4Gateway,
    IPAddress: addressText(ipv4),
    IPPrefixLen: ipv4?.bits ?? 0,
    IPv6Gateway: endpoint.ipv6Gateway,
    GlobalIPv6Address: addressText(ipv6),
    GlobalIPv6PrefixLen: ipv6?.bits ?? 0,
    DNSNames: endpoint.names.length === 0 ? null : endpoint.names,
  };
}

function addressText(prefix: IpPrefix | undefined): string {
  return prefix === undefined ? "" : formatIp(addressOf(prefix));
}

function ipamDocument({ IPAMConfig }: EndpointConfig): EndpointIpamDocument | null {
  if (IPAMConfig === null) return null;
  const { IPv4Address, IPv6Address, LinkLocalIPs } = IPAMConfig;
  return {
    ...(IPv4Address === "" ? {} : { IPv4Address }),
    ...(IPv6Address === "" ? {} : { IPv6Address }),
    ...(LinkLocalIPs === null || LinkLocalIPs.length === 0 ? {} : { LinkLocalIPs }),
  };
}

/** NetworkSettings.Ports: null for those that are exposed and not published. */
export function portsDocument(endpoints: readonly EndpointRecord[]): NetworkSettings["Ports"] {
  const ports = new Map<string, { readonly HostIp: string; readonly HostPort: string }[] | null>();
  for (const { exposed, ports: publications } of endpoints) {
    for (const port of exposed) if (!ports.has(port)) ports.set(port, null);
    for (const { protocol, hostIp, hostPort, containerPort } of publications) {
      const key = formatPort({ port: containerPort, protocol });
      const binding = { HostIp: hostIp, HostPort: hostPort === 0 ? "" : String(hostPort) };
      ports.set(key, [...(ports.get(key) ?? []), binding]);
    }
  }
  return sortedMap(ports);
}

/** Ports of GET /containers/json. */
export function portSummaries(endpoints: readonly EndpointRecord[]): readonly Port[] {
  return Object.entries(portsDocument(endpoints)).flatMap(([key, bindings]): Port[] => {
    const parsed = parsePortKey(key);
    if (parsed === undefined) return [];
    const inside = { PrivatePort: parsed.range.first, Type: parsed.protocol };
    if (bindings === null) return [inside];
    return bindings.map(({ HostIp, HostPort }) => ({
      IP: HostIp,
      PrivatePort: inside.PrivatePort,
      ...(HostPort === "" ? {} : { PublicPort: Number(HostPort) }),
      Type: inside.Type,
    }));
  });
}
