/** `--log-driver gelf`: its options. Pure. */
import { parseAddress, portOf } from "./addresses.ts";
import { type LogOptions, wrong } from "./option-values.ts";
import { DEFAULT_RETRY, type Endpoint, type GelfTarget } from "./remote-log.ts";

export const GELF_OPTIONS: readonly string[] = [
  "gelf-address",
  "gelf-compression-level",
  "gelf-compression-type",
  "gelf-tcp-max-reconnect",
  "gelf-tcp-reconnect-delay",
];

/** zlib's "best speed", which the go-gelf library begins with. */
const DEFAULT_LEVEL = 1;

/** Throws `invalid_argument`. */
export function gelfOptions(
  options: LogOptions,
): Pick<GelfTarget, "endpoint" | "retry" | "compression" | "level"> {
  const endpoint = endpointOf(options.get("gelf-address") ?? "");
  return {
    endpoint,
    retry: {
      waitMs: (tcpNumber(options, "gelf-tcp-reconnect-delay", endpoint) ?? 0) * 1000 || DEFAULT_RETRY.waitMs,
      maxRetries: tcpNumber(options, "gelf-tcp-max-reconnect", endpoint) ?? DEFAULT_RETRY.maxRetries,
    },
    compression: endpoint.kind === "udp" ? compressionOf(options) : noCompression(options),
    level: levelOf(options, endpoint),
  };
}

function endpointOf(text: string): Endpoint {
  if (text === "") throw wrong("gelf-address is a required parameter");
  const { scheme, host, port, path } = parseAddress(text);
  if (scheme !== "udp" && scheme !== "tcp") throw wrong("gelf: endpoint needs to be TCP or UDP");
  const number = portOf(port);
  if (number === undefined || path.replaceAll("/", "") !== "")
    throw wrong("gelf: please provide gelf-address as proto://host:port");
  return { kind: scheme, host: host || "localhost", port: number };
}

function noCompression(options: LogOptions): "none" {
  if (options.has("gelf-compression-type") || options.has("gelf-compression-level"))
    throw wrong("compression is only supported on UDP");
  return "none";
}

function compressionOf(options: LogOptions): GelfTarget["compression"] {
  const text = options.get("gelf-compression-type") ?? "gzip";
  if (text === "gzip" || text === "zlib" || text === "none") return text;
  throw unknownValue("gelf-compression-type", text);
}

function levelOf(options: LogOptions, endpoint: Endpoint): number {
  const text = options.get("gelf-compression-level");
  if (text === undefined || endpoint.kind !== "udp") return DEFAULT_LEVEL;
  if (!/^(-1|\d)$/.test(text)) throw unknownValue("gelf-compression-level", text);
  return Number(text);
}

function unknownValue(option: string, value: string): Error {
  return wrong(`unknown value ${JSON.stringify(value)} for log opt "${option}" for gelf log driver`);
}

function tcpNumber(options: LogOptions, name: string, endpoint: Endpoint): number | undefined {
  const text = options.get(name);
  if (text === undefined) return undefined;
  if (endpoint.kind !== "tcp") throw wrong(`"${name}" is only valid for TCP`);
  if (!/^\d{1,6}$/.test(text)) throw wrong(`"${name}" must be a positive integer`);
  return Number(text);
}
