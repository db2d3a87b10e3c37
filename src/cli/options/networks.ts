/** `--network NAME` and `--network name=…,alias=…`, joined with the older single flags (`--ip`, `--network-alias` …). */
import { csvFields, fromPairs } from "./values.ts";

export interface NetworkAttachment {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly driverOptions: readonly (readonly [string, string])[];
  readonly links: readonly string[];
  readonly ipv4: string;
  readonly ipv6: string;
  readonly linkLocalIps: readonly string[];
  readonly macAddress: string;
  readonly gatewayPriority: number;
}

const PLAIN: Omit<NetworkAttachment, "name"> = {
  aliases: [],
  driverOptions: [],
  links: [],
  ipv4: "",
  ipv6: "",
  linkLocalIps: [],
  macAddress: "",
  gatewayPriority: 0,
};

export function parseNetwork(text: string): NetworkAttachment {
  if (!/^[a-z0-9-]+=/i.test(text)) return { name: text, ...PLAIN };
  let attachment: NetworkAttachment = { name: "", ...PLAIN };
  for (const field of csvFields(text)) {
    const cut = field.indexOf("=");
    if (cut < 0) throw new Error(`invalid field ${field}`);
    const key = field.slice(0, cut).trim().toLowerCase();
    attachment = { ...attachment, ...networkField(attachment, key, field.slice(cut + 1).trim()) };
  }
  if (attachment.name === "") throw new Error("network name/id is not specified");
  return attachment;
}

function networkField(before: NetworkAttachment, key: string, value: string): Partial<NetworkAttachment> {
  switch (key) {
    case "name":
      return { name: value };
    case "alias":
      return { aliases: [...before.aliases, value] };
    case "ip":
      return { ipv4: value };
    case "ip6":
      return { ipv6: value };
    case "mac-address":
      return { macAddress: checkMacAddress(value) };
    case "link-local-ip":
      return { linkLocalIps: [...before.linkLocalIps, value] };
    case "driver-opt": {
      const cut = value.indexOf("=");
      if (cut <= 0) throw new Error("invalid key value pair format in driver options");
      const option = [value.slice(0, cut).toLowerCase(), value.slice(cut + 1)] as const;
      return { driverOptions: [...before.driverOptions, option] };
    }
    case "gw-priority":
      if (!/^[+-]?\d{1,9}$/.test(value))
        throw new Error(`invalid gw-priority (${value}): value must be an integer`);
      return { gatewayPriority: Number(value) };
    default:
      throw new Error(`invalid field key ${key}`);
  }
}

export function checkMacAddress(text: string): string {
  const valid =
    /^[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}$/i.test(text) ||
    /^(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}$/i.test(text);
  if (!valid) throw new Error(`${text} is not a valid mac address`);
  return text;
}

/** The older flags that describe the first network. */
export interface LegacyNetworkFlags {
  readonly aliases: readonly string[];
  readonly links: readonly string[];
  readonly ipv4: string;
  readonly ipv6: string;
  readonly linkLocalIps: readonly string[];
  readonly macAddress: string;
}

export interface Networking {
  readonly networkMode: string;
  readonly endpoints: Record<string, unknown>;
}

const USER_DEFINED_ONLY = "network-scoped aliases are only supported for user-defined networks";

function isUserDefined(name: string): boolean {
  return !["default", "bridge", "host", "none"].includes(name) && !name.startsWith("container:");
}

export function buildNetworking(given: readonly NetworkAttachment[], legacy: LegacyNetworkFlags): Networking {
  const attachments = given.length === 0 ? [{ name: "default", ...PLAIN }] : given;
  const endpoints: [string, unknown][] = [];
  const seen = new Set<string>();
  for (const [at, attachment] of attachments.entries()) {
    const { name } = attachment;
    if (name === "") throw new Error("no name set for network");
    if (attachments.length > 1 && !isUserDefined(name) && name !== "bridge" && name !== "default")
      throw new Error(
        "conflicting options: cannot attach both user-defined and non-user-defined network-modes",
      );
    if (seen.has(name)) throw new Error(`network ${JSON.stringify(name)} is specified multiple times`);
    seen.add(name);
    const merged = at === 0 ? withLegacy(attachment, legacy) : attachment;
    if (merged.aliases.length > 0 && !isUserDefined(name)) throw new Error(USER_DEFINED_ONLY);
    if (name === "host" || name === "none" || name.startsWith("container:")) continue;
    endpoints.push([name, endpointBody(merged)]);
  }
  return { networkMode: attachments[0]?.name ?? "default", endpoints: fromPairs(endpoints) };
}

function withLegacy(attachment: NetworkAttachment, legacy: LegacyNetworkFlags): NetworkAttachment {
  const conflict = (flag: string, key: string): Error =>
    new Error(`conflicting options: cannot specify both --${flag} and per-network ${key}`);
  if (legacy.aliases.length > 0 && attachment.aliases.length > 0) throw conflict("network-alias", "alias");
  if (legacy.ipv4 !== "" && attachment.ipv4 !== "") throw conflict("ip", "IPv4 address");
  if (legacy.ipv6 !== "" && attachment.ipv6 !== "") throw conflict("ip6", "IPv6 address");
  if (legacy.macAddress !== "" && attachment.macAddress !== "") throw conflict("mac-address", "MAC address");
  if (legacy.linkLocalIps.length > 0 && attachment.linkLocalIps.length > 0)
    throw conflict("link-local-ip", "link-local IP addresses");
  return {
    ...attachment,
    aliases: [...attachment.aliases, ...legacy.aliases],
    links: isUserDefined(attachment.name) ? legacy.links : [],
    ipv4: attachment.ipv4 || legacy.ipv4,
    ipv6: attachment.ipv6 || legacy.ipv6,
    linkLocalIps: [...attachment.linkLocalIps, ...legacy.linkLocalIps],
    macAddress: attachment.macAddress || legacy.macAddress,
  };
}

function endpointBody(attachment: NetworkAttachment): Record<string, unknown> {
  const ipam: Record<string, unknown> = {};
  if (attachment.ipv4 !== "") ipam["IPv4Address"] = attachment.ipv4;
  if (attachment.ipv6 !== "") ipam["IPv6Address"] = attachment.ipv6;
  if (attachment.linkLocalIps.length > 0) ipam["LinkLocalIPs"] = attachment.linkLocalIps;
  return {
    IPAMConfig: Object.keys(ipam).length > 0 ? ipam : null,
    Links: attachment.links.length > 0 ? attachment.links : null,
    Aliases: attachment.aliases.length > 0 ? attachment.aliases : null,
    MacAddress: attachment.macAddress,
    DriverOpts: attachment.driverOptions.length > 0 ? fromPairs(attachment.driverOptions) : null,
    GwPriority: attachment.gatewayPriority,
    NetworkID: "",
    EndpointID: "",
    Gateway: "",
    IPAddress: "",
    IPPrefixLen: 0,
    IPv6Gateway: "",
    GlobalIPv6Address: "",
    GlobalIPv6PrefixLen: 0,
    DNSNames: null,
  };
}
