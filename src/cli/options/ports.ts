/** `--publish` and `--expose`: `[[IP:][HOST[-END]]:]CONTAINER[-END][/tcp|udp|sctp]`, or `target=80,published=8080`. */
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

/** The protocol behind the slash, "tcp" for none; an empty one is an error as well. */
function splitProtocol(text: string): { readonly ports: string; readonly protocol: string } {
  const cut = text.lastIndexOf("/");
  if (cut < 0) return { ports: text, protocol: "tcp" };
  const protocol = text.slice(cut + 1).toLowerCase();
  return { ports: text.slice(0, cut), protocol: protocol === "" ? "tcp" : protocol };
}

export function parsePublish(text: string): PublishedPort[] {
  if (text.includes("=")) return parseLong(text);
  const { ports, protocol } = splitProtocol(text);
  const { ip, host, container } = splitColons(ports);
  if (container === "") throw new Error(`No port specified: ${ports}<empty>`);
  if (ip !== "" && !isIpAddress(ip)) throw new Error(`Invalid ip address: ${ip}`);
  const containerRange = parsePortRange(container);
  if (containerRange === undefined) throw new Error(`Invalid containerPort: ${container}`);
  const hostRange = host === "" ? undefined : parsePortRange(host);
  if (host !== "" && hostRange === undefined) throw new Error(`Invalid hostPort: ${host}`);
  if (!["tcp", "udp", "sctp"].includes(protocol)) throw new Error(`Invalid proto: ${protocol}`);
  return bindings(ip, hostRange, host, containerRange, container, protocol);
}

function splitColons(text: string): { ip: string; host: string; container: string } {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
  if (bracketed !== null) {
    const parts = (bracketed[2] ?? "").split(":");
    return { ip: bracketed[1] ?? "", host: parts.slice(0, -1).join(":"), container: parts.at(-1) ?? "" };
  }
  const parts = text.split(":");
  const container = parts.at(-1) ?? "";
  const host = parts.at(-2) ?? "";
  const ip = parts.slice(0, -2).join(":");
  if (parts.length > 3)
    throw new Error(`Invalid ip address ${ip}: address ${ip}:: too many colons in address`);
  return { ip, host, container };
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

function parseLong(text: string): PublishedPort[] {
  let target = "";
  let published = "";
  let protocol = "tcp";
  for (const field of csvFields(text)) {
    const [key = "", value] = field.split("=", 2);
    if (value === undefined || value === "") throw new Error(`invalid field ${field}`);
    switch (key.toLowerCase()) {
      case "protocol":
        if (!["tcp", "udp", "sctp"].includes(value)) throw new Error(`invalid protocol value ${value}`);
        protocol = value;
        break;
      case "mode":
        if (value !== "ingress" && value !== "host")
          throw new Error(`invalid publish mode value (${value}): must be either 'ingress' or 'host'`);
        break;
      case "target":
        if (parsePortRange(value) === undefined || value.includes("-"))
          throw new Error(`invalid target port (${value}): value must be an integer`);
        target = value;
        break;
      case "published":
        if (parsePortRange(value) === undefined)
          throw new Error(`invalid published port (${value}): value must be an integer`);
        published = value;
        break;
      default:
        throw new Error(`invalid field key ${key}`);
    }
  }
  if (target === "") throw new Error("missing mandatory field 'target'");
  return [{ port: `${target}/${protocol}`, binding: { HostIp: "", HostPort: published } }];
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
  if (text === "") return "empty string specified for ports.";
  for (const part of text.split("-", 2)) {
    if (!/^\d+$/.test(part)) return `strconv.ParseUint: parsing ${JSON.stringify(part)}: invalid syntax`;
    if (Number(part) > 65535) return `strconv.ParseUint: parsing ${JSON.stringify(part)}: value out of range`;
  }
  return `Invalid range specified for the Port: ${text}`;
}
