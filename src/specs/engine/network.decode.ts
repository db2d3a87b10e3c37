/** Decoders of network documents: bodies of create, connect and disconnect, and what a container asks of its networks. */
import { fail } from "../../base/errors.ts";
import { emptyMap, Fields } from "./fields.decode.ts";
import type {
  EndpointConfig,
  IpamConfig,
  NetworkConnectRequest,
  NetworkCreateRequest,
  NetworkDisconnectRequest,
  NetworkIpam,
} from "./network.ts";

export function decodeNetworkCreate(body: unknown): NetworkCreateRequest {
  const fields = new Fields(required(body), "");
  return {
    Name: fields.str("Name"),
    Driver: fields.str("Driver"),
    Scope: fields.str("Scope"),
    EnableIPv4: fields.boolOrNull("EnableIPv4"),
    EnableIPv6: fields.boolOrNull("EnableIPv6"),
    IPAM: decodeIpam(fields.object("IPAM")),
    Internal: fields.bool("Internal"),
    Attachable: fields.bool("Attachable"),
    Ingress: fields.bool("Ingress"),
    ConfigOnly: fields.bool("ConfigOnly"),
    ConfigFrom: fields.object("ConfigFrom")?.str("Network") ?? "",
    Options: fields.stringMap("Options") ?? emptyMap<string>(),
    Labels: fields.stringMap("Labels") ?? emptyMap<string>(),
  };
}

function decodeIpam(fields: Fields | null): NetworkIpam | null {
  if (fields === null) return null;
  return {
    Driver: fields.str("Driver"),
    Options: fields.stringMap("Options"),
    Config: fields.list("Config", decodeIpamConfig) ?? [],
  };
}

function decodeIpamConfig(value: unknown, path: string): IpamConfig {
  const fields = new Fields(value, path);
  return {
    Subnet: fields.str("Subnet"),
    IPRange: fields.str("IPRange"),
    Gateway: fields.str("Gateway"),
    AuxiliaryAddresses: fields.stringMap("AuxiliaryAddresses") ?? emptyMap<string>(),
  };
}

export function decodeEndpointConfig(fields: Fields): EndpointConfig {
  const ipam = fields.object("IPAMConfig");
  return {
    IPAMConfig: ipam && {
      IPv4Address: ipam.str("IPv4Address"),
      IPv6Address: ipam.str("IPv6Address"),
      LinkLocalIPs: ipam.strings("LinkLocalIPs"),
    },
    Links: fields.strings("Links"),
    Aliases: fields.strings("Aliases"),
    MacAddress: fields.str("MacAddress"),
    DriverOpts: fields.stringMap("DriverOpts"),
    GwPriority: fields.int("GwPriority"),
  };
}

/** NetworkingConfig of a create request: by network, as the user named it. Null where Docker knows no settings. */
export function decodeNetworkingConfig(
  fields: Fields | null,
): Readonly<Record<string, EndpointConfig | null>> {
  return (
    fields?.map("EndpointsConfig", (value, path) =>
      value === null ? null : decodeEndpointConfig(new Fields(value, path)),
    ) ?? emptyMap<EndpointConfig | null>()
  );
}

export function decodeNetworkConnect(body: unknown): NetworkConnectRequest {
  const fields = new Fields(required(body), "");
  const endpoint = fields.object("EndpointConfig");
  return { Container: fields.str("Container"), EndpointConfig: endpoint && decodeEndpointConfig(endpoint) };
}

export function decodeNetworkDisconnect(body: unknown): NetworkDisconnectRequest {
  const fields = new Fields(required(body), "");
  return { Container: fields.str("Container"), Force: fields.bool("Force") };
}

function required(body: unknown): unknown {
  if (body === null || body === undefined)
    throw fail("invalid_argument", "invalid JSON: got EOF while reading request body");
  return body;
}
