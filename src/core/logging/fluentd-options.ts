/** `--log-driver fluentd`: its options. Pure. */
import { messageOf } from "../../base/errors.ts";
import { parseAddress, portOf } from "./addresses.ts";
import { boolean, duration, type LogOptions, memorySize, notParsed, wrong } from "./option-values.ts";
import { ENDLESS, type Endpoint, type FluentdTarget } from "./remote-log.ts";

export const FLUENTD_OPTIONS: readonly string[] = [
  "fluentd-address",
  "fluentd-async",
  "fluentd-async-reconnect-interval",
  "fluentd-buffer-limit",
  "fluentd-max-retries",
  "fluentd-request-ack",
  "fluentd-retry-wait",
  "fluentd-sub-second-precision",
  "fluentd-write-timeout",
  "fluentd-read-timeout",
];

const HOST = "127.0.0.1";
const PORT = 24_224;
const RETRY_WAIT_MS = 1_000;
const RECONNECT_MIN_MS = 100;
const RECONNECT_MAX_MS = 10_000;

export interface FluentdOptions
  extends Pick<
    FluentdTarget,
    "endpoint" | "retry" | "subSecond" | "requestAck" | "reconnectMs" | "writeTimeoutMs" | "readTimeoutMs"
  > {
  /** What must at least be able to wait for the sink; 0 = not said. */
  readonly bufferBytes: number;
}

/** Throws `invalid_argument`. */
export function fluentdOptions(options: LogOptions): FluentdOptions {
  const read = <T>(name: string, parse: (text: string) => T, absent: T): T => {
    const text = options.get(name) ?? "";
    return text === "" ? absent : parse(text);
  };
  read("fluentd-async", boolean, false);
  return {
    endpoint: endpointOf(options.get("fluentd-address") ?? ""),
    retry: {
      waitMs: read("fluentd-retry-wait", duration, RETRY_WAIT_MS),
      maxRetries: read("fluentd-max-retries", retries, ENDLESS),
    },
    subSecond: read("fluentd-sub-second-precision", boolean, false),
    reconnectMs: read("fluentd-async-reconnect-interval", reconnectInterval, 0),
    requestAck: read("fluentd-request-ack", boolean, false),
    writeTimeoutMs: read("fluentd-write-timeout", (text) => timeout("fluentd-write-timeout", text), 0),
    readTimeoutMs: read("fluentd-read-timeout", (text) => timeout("fluentd-read-timeout", text), 0),
    bufferBytes: read("fluentd-buffer-limit", memorySize, 0),
  };
}

function retries(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw notParsed("ParseUint", text);
  if (Number(text) > ENDLESS) throw wrong("invalid fluentd-max-retries: value out of range");
  return Number(text);
}

function timeout(name: string, text: string): number {
  let ms: number;
  try {
    ms = duration(text);
  } catch (error) {
    throw wrong(`invalid value for ${name}: value must be a duration: ${messageOf(error)}`, error);
  }
  if (ms < 0) throw wrong(`invalid value for ${name}: value must be a duration that is non-negative`);
  return ms;
}

function reconnectInterval(text: string): number {
  const name = "fluentd-async-reconnect-interval";
  let ms: number;
  try {
    ms = duration(text);
  } catch (error) {
    throw wrong(`invalid value for ${name}: ${messageOf(error)}`, error);
  }
  if (ms !== 0 && (ms < RECONNECT_MIN_MS || ms > RECONNECT_MAX_MS))
    throw wrong(`invalid value for ${name}: value (${JSON.stringify(text)}) must be between 100ms and 10s`);
  return ms;
}

function endpointOf(text: string): Endpoint {
  if (text === "") return { kind: "tcp", host: HOST, port: PORT };
  try {
    return decodeEndpoint(text);
  } catch (error) {
    throw wrong(`invalid fluentd-address (${text.slice(0, 200)}): ${messageOf(error)}`, error);
  }
}

function decodeEndpoint(text: string): Endpoint {
  const { scheme, host, port: given, path } = parseAddress(text.includes("://") ? text : `tcp://${text}`);
  if (scheme === "unix") {
    if (path.replaceAll("/", "") === "") throw wrong("path is empty");
    return { kind: "unix", path };
  }
  if (scheme !== "tcp" && scheme !== "tls") throw wrong(`unsupported scheme: '${scheme}'`);
  if (path !== "") throw wrong("should not contain a path element");
  const port = given === "" ? PORT : portOf(given);
  if (port === undefined) throw wrong(`invalid port: ${notParsed("ParseUint", given).message}`);
  const at = { host: host || HOST, port };
  return scheme === "tcp"
    ? { kind: "tcp", ...at }
    : { kind: "tls", ...at, tls: { ca: "", cert: "", key: "", verify: true } };
}
