/** Records of networks as they lie in the store. What is read is checked like a stranger's: the file may be damaged, or newer. */
import { parseIp } from "../../base/ip-address.ts";
import { fail } from "../../base/errors.ts";
import { parsePrefix } from "../../base/ip-prefix.ts";
import { emptyMap, Fields, parseJson } from "../../specs/engine/fields.decode.ts";
import { decodeEndpointConfig } from "../../specs/engine/network.decode.ts";
import { PORT_PROTOCOLS } from "../../specs/engine/port.ts";
import type { AttachmentRecord, EndpointRecord } from "./endpoint-record.ts";
import type { NetworkDriver, NetworkRecord } from "./network-record.ts";
import type { Publication } from "./publications.ts";
import type { SubnetConfig } from "./subnet-config.ts";

const DRIVERS: readonly NetworkDriver[] = ["bridge", "macvlan", "ipvlan", "host", "null"];

export function writeNetwork({ id: _id, name: _name, ...document }: NetworkRecord): string {
  return JSON.stringify(document);
}

export function readNetwork(id: string, name: string, text: string): NetworkRecord {
  const fields = new Fields(parseJson(text), "");
  const ipam = fields.object("ipam");
  const subnets = fields.object("subnets");
  return {
    id,
    name,
    created: fields.str("created"),
    driver: fields.oneOf("driver", DRIVERS, (value) => `unknown driver "${value}"`),
    hasIpv4: fields.bool("hasIpv4"),
    hasIpv6: fields.bool("hasIpv6"),
    isInternal: fields.bool("isInternal"),
    isAttachable: fields.bool("isAttachable"),
    isConfigOnly: fields.bool("isConfigOnly"),
    configFrom: fields.str("configFrom"),
    options: fields.stringMap("options") ?? emptyMap<string>(),
    labels: fields.stringMap("labels") ?? emptyMap<string>(),
    ipam: {
      options: ipam?.stringMap("options") ?? null,
      ipv4: ipam?.list("ipv4", readSubnet) ?? [],
      ipv6: ipam?.list("ipv6", readSubnet) ?? [],
    },
    subnets: {
      ipv4: subnets?.list("ipv4", readSubnet) ?? [],
      ipv6: subnets?.list("ipv6", readSubnet) ?? [],
    },
  };
}

function readSubnet(value: unknown, path: string): SubnetConfig {
  const fields = new Fields(value, path);
  const config = {
    subnet: fields.str("subnet"),
    range: fields.str("range"),
    gateway: fields.str("gateway"),
    auxiliary: fields.stringMap("auxiliary") ?? emptyMap<string>(),
  };
  if (
    parsePrefix(config.subnet) === undefined ||
    (config.range !== "" && parsePrefix(config.range) === undefined)
  )
    throw fail("internal", `stored field "${path}" is no subnet`);
  for (const address of [config.gateway, ...Object.values(config.auxiliary)])
    if (address !== "" && parseIp(address) === undefined)
      throw fail("internal", `stored field "${path}" names no address: ${JSON.stringify(address)}`);
  return config;
}

export function writeAttachment({ networkId, config }: AttachmentRecord): string {
  return JSON.stringify({ networkId, config });
}

export function readAttachment(container: string, network: string, text: string): AttachmentRecord {
  const fields = new Fields(parseJson(text), "");
  return {
    container,
    network,
    networkId: fields.str("networkId"),
    config: decodeEndpointConfig(fields.object("config") ?? new Fields({}, "config")),
  };
}

export function writeEndpoint(record: EndpointRecord): string {
  const { id: _id, network: _network, container: _container, ...document } = record;
  return JSON.stringify(document);
}

export function readEndpoint(id: string, network: string, container: string, text: string): EndpointRecord {
  const fields = new Fields(parseJson(text), "");
  const rates = fields.object("rates");
  return {
    id,
    network,
    container,
    interfaceName: fields.str("interfaceName"),
    macAddress: fields.str("macAddress"),
    ipv4: readAddress(fields, "ipv4"),
    ipv6: readAddress(fields, "ipv6"),
    linkLocalIps: fields.strings("linkLocalIps") ?? [],
    ipv4Gateway: fields.str("ipv4Gateway"),
    ipv6Gateway: fields.str("ipv6Gateway"),
    names: fields.strings("names") ?? [],
    exposed: fields.strings("exposed") ?? [],
    ports: fields.list("ports", readPublication) ?? [],
    ...(rates === null ? {} : { rates: { inBits: rates.int("inBits"), outBits: rates.int("outBits") } }),
  };
}

function readAddress(fields: Fields, key: string): string {
  const text = fields.str(key);
  if (text !== "" && parsePrefix(text) === undefined)
    throw fail("internal", `stored field "${key}" is no address: ${JSON.stringify(text)}`);
  return text;
}

function readPublication(value: unknown, path: string): Publication {
  const fields = new Fields(value, path);
  return {
    protocol: fields.oneOf("protocol", PORT_PROTOCOLS, (text) => `unknown protocol "${text}"`),
    hostIp: fields.str("hostIp"),
    hostPort: fields.int("hostPort"),
    containerIp: fields.str("containerIp"),
    containerPort: fields.int("containerPort"),
  };
}
