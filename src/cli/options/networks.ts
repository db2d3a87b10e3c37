/** `--network NAME` and `--network name=…,alias=…`, joined with the older single flags (`--ip`, `--network-alias` …). */
import { NO_ENDPOINT } from "../../specs/engine/container.ts";
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
  if (!/^"?[a-z0-9-]+=/i.test(text)) return { name: text, ...PLAIN };
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
      return { macAddress: value };
    case "link-local-ip":
      return { linkLocalIps: [...before.linkLocalIps, value] };
    case "driver-opt": {
      const cut = value.indexOf("=");
      if (cut <= 0) throw new Error("invalid key value pair format in driver options");
      const option = [value.slice(0, cut).toLowerCase(), value.slice(cut + 1)] as const;
      return { driverOptions: [...before.driverOptions, option] };
    }
    case "gw-priority":
      return { gatewayPriority: gatewayPriority(value) };
    default:
      throw new Error(`invalid field key ${key}`);
  }
}

function gatewayPriority(text: string): number {
  if (!/^[+-]?\d+$/.test(text)) throw new Error(`invalid gw-priority (${text}): invalid syntax`);
  const priority = Number(text);
  if (!Number.isSafeInteger(priority)) throw new Error(`invalid gw-priority (${text}): value out of range`);
  return priority;
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

function isUserDefined(name: string): boolean {
  return !["default", "bridge", "host", "none"].includes(name) && !name.startsWith("container:");
}

/**
 * NetworkMode and endpoints of a request. Whether a network can give what is asked of it is for the engine to say: a wish for
 * an address on the host's network is sent like any other.
 */
export function buildNetworking(given: readonly NetworkAttachment[], legacy: LegacyNetworkFlags): Networking {
  const attachments = given.length === 0 ? [{ name: "default", ...PLAIN }] : given;
  const endpoints = new Map<string, unknown>();
  for (const [at, attachment] of attachments.entries()) {
    const { name } = attachment;
    const merged = at === 0 ? withLegacy(attachment, legacy) : attachment;
    checkAttachment(merged);
    if (endpoints.has(name)) throw new Error(`network ${JSON.stringify(name)} is specified multiple times`);
    endpoints.set(name, isPlain(merged) && given.length === 1 ? undefined : endpointBody(merged));
  }
  if (new Set(attachments.map(({ name }) => isUserDefined(name))).size > 1)
    throw new Error(
      "conflicting options: cannot attach both user-defined and non-user-defined network-modes",
    );
  return {
    networkMode: attachments[0]?.name ?? "default",
    endpoints: fromPairs([...endpoints].filter(([, body]) => body !== undefined)),
  };
}

function checkAttachment({ name, aliases, macAddress }: NetworkAttachment): void {
  if (name.trim() === "") throw new Error("no name set for network");
  if (aliases.length > 0 && !isUserDefined(name))
    throw new Error("network-scoped aliases are only supported for user-defined networks");
  if (macAddress !== "" && !isMacAddress(macAddress.trim()))
    throw new Error(`${macAddress} is not a valid mac address`);
}

function isMacAddress(text: string): boolean {
  return (
    /^[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}$/i.test(text) ||
    /^(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}$/i.test(text)
  );
}

/** True for a network that is only named: one of its own makes no endpoint, NetworkMode says it all. */
function isPlain(attachment: NetworkAttachment): boolean {
  return Object.values({ ...attachment, name: "" }).every(
    (wish) => wish === "" || wish === 0 || (Array.isArray(wish) && wish.length === 0),
  );
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

export function ipamBody({ ipv4, ipv6, linkLocalIps }: NetworkAttachment): Record<string, unknown> {
  return {
    ...(ipv4 === "" ? {} : { IPv4Address: ipv4 }),
    ...(ipv6 === "" ? {} : { IPv6Address: ipv6 }),
    ...(linkLocalIps.length === 0 ? {} : { LinkLocalIPs: linkLocalIps }),
  };
}

export function endpointBody(attachment: NetworkAttachment): Record<string, unknown> {
  const ipam = ipamBody(attachment);
  return {
    ...NO_ENDPOINT,
    IPAMConfig: Object.keys(ipam).length > 0 ? ipam : null,
    Links: attachment.links.length > 0 ? attachment.links : null,
    Aliases: attachment.aliases.length > 0 ? attachment.aliases : null,
    MacAddress: attachment.macAddress,
    DriverOpts: attachment.driverOptions.length > 0 ? fromPairs(attachment.driverOptions) : null,
    GwPriority: attachment.gatewayPriority,
  };
}
