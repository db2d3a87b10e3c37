/**
 * `--publish` and `--expose`: `[[IP:][HOST[-END]]:]CONTAINER[-END][/tcp|udp|sctp]`, or `target=80,published=8080`. The address
 * of IPv6 may stand in brackets: what is behind the last two colons are ports.
 */
import { isIpAddress } from "../../base/ip-address.ts";
import { parsePortRange, type PortRange } from "../../specs/engine/port.ts";
import { csvFields } from "./values.ts";

export interface PortBinding {
  readonly HostIp: string;
  readonly HostPort: string;
}

export interface PublishedPort {
  /** "80/tcp". */
  readonly port: string;
  readonly binding: PortBinding;
}

/** The protocol behind the slash, "tcp" for none or an empty one. */
function splitProtocol(text: string): { readonly ports: string; readonly protocol: string } {
  const cut = text.indexOf("/");
  if (cut < 0) return { ports: text, protocol: "tcp" };
  const protocol = text.slice(cut + 1).toLowerCase();
  return { ports: text.slice(0, cut), protocol: protocol === "" ? "tcp" : protocol };
}

export function parsePublish(text: string): PublishedPort[] {
  return parseShort(text.includes("=") ? shortForm(text) : text);
}

function parseShort(text: string): PublishedPort[] {
  const parts = text.split(":");
  const { ports: container, protocol } = splitProtocol(parts.at(-1) ?? "");
  if (container === "") throw new Error(`No port specified: ${text}<empty>`);
  if (!["tcp", "udp", "sctp"].includes(protocol)) throw new Error(`Invalid proto: ${protocol}`);
  const ip = withoutBrackets(parts.slice(0, -2).join(":"));
  if (ip !== "" && !isIpAddress(ip)) throw new Error(`Invalid ip address: ${ip}`);
  const containerRange = parsePortRange(container);
  if (containerRange === undefined) throw new Error(`Invalid containerPort: ${container}`);
  const host = parts.at(-2) ?? "";
  const hostRange = host === "" ? undefined : parsePortRange(host);
  if (host !== "" && hostRange === undefined) throw new Error(`Invalid hostPort: ${host}`);
  return bindings(ip, hostRange, host, containerRange, container, protocol);
}

function withoutBrackets(ip: string): string {
  if (!ip.startsWith("[")) return ip;
  const inner = /^\[([^[\]]*)\]$/.exec(ip)?.[1];
  if (inner === undefined)
    throw new Error(`Invalid ip address ${ip}: address ${ip}:: missing ']' in address`);
  return inner;
}

function bindings(
  ip: string,
  host: PortRange | undefined,
  hostText: string,
  container: PortRange,
  containerText: string,
  protocol: string,
): PublishedPort[] {
  const count = container.last - container.first + 1;
  const single = count === 1;
  if (host !== undefined && host.last - host.first + 1 !== count && !single)
    throw new Error(
      `Invalid ranges specified for container and host Ports: ${containerText} and ${hostText}`,
    );
  return Array.from({ length: count }, (_, at) => {
    let hostPort = "";
    if (host !== undefined)
      hostPort = single && host.last > host.first ? `${host.first}-${host.last}` : String(host.first + at);
    return { port: `${container.first + at}/${protocol}`, binding: { HostIp: ip, HostPort: hostPort } };
  });
}

/**
 * `published=8080,target=80` as `8080:80/tcp`; ports may be ranges there too. A mode says how a service of a cluster publishes
 * and changes nothing for a container, so only the two known ones pass.
 */
function shortForm(text: string): string {
  const fields = new Map([["protocol", "tcp"]]);
  for (const field of csvFields(text)) {
    const cut = field.indexOf("=");
    if (cut <= 0) throw new Error(`invalid publish opts format (should be name=value but got '${field}')`);
    const [key, value] = [field.slice(0, cut).toLowerCase(), field.slice(cut + 1)];
    if (!["protocol", "mode", "target", "published"].includes(key))
      throw new Error(`invalid field key ${key}`);
    if (key === "mode" && value !== "ingress" && value !== "host")
      throw new Error(`invalid publish mode value (${value}): must be either 'ingress' or 'host'`);
    fields.set(key, value);
  }
  const target = fields.get("target") ?? "";
  if (target === "") throw new Error("missing mandatory field 'target'");
  return `${fields.get("published") ?? ""}:${target}/${fields.get("protocol") ?? ""}`;
}

/** `80`, `80-82/udp` as "80/udp" and so on. */
export function parseExpose(text: string): string[] {
  if (text.includes(":")) throw new Error(`invalid port format for --expose: ${text}`);
  const { ports, protocol } = splitProtocol(text);
  const range = parsePortRange(ports);
  if (range === undefined)
    throw new Error(`invalid range format for --expose: ${text}, error: ${rangeError(ports)}`);
  return Array.from({ length: range.last - range.first + 1 }, (_, at) => `${range.first + at}/${protocol}`);
}

function rangeError(text: string): string {
  if (text === "") return "Empty string specified for ports.";
  const errors = text.split("-", 2).map(portNumberError);
  return errors.find((error) => error !== undefined) ?? `Invalid range specified for the Port: ${text}`;
}

/** What Go says of a text that is no port number; undefined for one that is. */
export function portNumberError(text: string): string | undefined {
  const refused = (why: string): string => `strconv.ParseUint: parsing ${JSON.stringify(text)}: ${why}`;
  if (!/^\d+$/.test(text)) return refused("invalid syntax");
  return Number(text) > 65_535 ? refused("value out of range") : undefined;
}
