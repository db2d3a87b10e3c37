/** `--log-driver syslog`: its options. Pure. */
import { parseAddress, portOf } from "./addresses.ts";
import { integer, type LogOptions, wrong } from "./option-values.ts";
import type { Endpoint, SyslogFormat, SyslogTarget } from "./remote-log.ts";

export const SYSLOG_OPTIONS: readonly string[] = [
  "syslog-address",
  "syslog-facility",
  "syslog-format",
  "syslog-tls-ca-cert",
  "syslog-tls-cert",
  "syslog-tls-key",
  "syslog-tls-skip-verify",
];

const FACILITIES =
  "kern user mail daemon auth syslog lpr news uucp cron authpriv ftp - - - - local0 local1 local2 local3 local4 local5 local6 local7".split(
    " ",
  );
const DAEMON = 3;
const DEFAULT_PORT = 514;
const LOCAL_SOCKETS = ["/dev/log", "/var/run/syslog", "/var/run/log"];

/** Throws `invalid_argument`. */
export function syslogOptions(
  options: LogOptions,
): Pick<SyslogTarget, "endpoint" | "facility" | "format" | "counted"> {
  const endpoint = endpointOf(options);
  const format = formatOf(options.get("syslog-format") ?? "");
  return {
    endpoint,
    facility: facilityOf(options.get("syslog-facility") ?? ""),
    format,
    counted: endpoint.kind === "tls" && format.startsWith("rfc5424"),
  };
}

function endpointOf(options: LogOptions): Endpoint {
  const text = options.get("syslog-address") ?? "";
  if (text === "") return { kind: "unixgram", paths: LOCAL_SOCKETS };
  const { scheme, host, port: given, path } = parseAddress(text);
  if (scheme === "unix") return { kind: "unix", path };
  if (scheme === "unixgram") return { kind: "unixgram", paths: [path] };
  const port = given === "" ? DEFAULT_PORT : portOf(given);
  if (port === undefined) throw wrong(`invalid port "${given.slice(0, 20)}" of syslog-address`);
  switch (scheme) {
    case "udp":
    case "tcp":
      return { kind: scheme, host: host || "localhost", port };
    case "tcp+tls":
      return { kind: "tls", host: host || "localhost", port, tls: tlsOf(options) };
    default:
      throw wrong(`unsupported scheme: '${scheme}'`);
  }
}

function tlsOf(options: LogOptions): Extract<Endpoint, { kind: "tls" }>["tls"] {
  return {
    ca: options.get("syslog-tls-ca-cert") ?? "",
    cert: options.get("syslog-tls-cert") ?? "",
    key: options.get("syslog-tls-key") ?? "",
    // Whatever its value: Docker's rule.
    verify: !options.has("syslog-tls-skip-verify"),
  };
}

function facilityOf(text: string): number {
  if (text === "") return DAEMON;
  const named = text === "-" ? -1 : FACILITIES.indexOf(text);
  if (named >= 0) return named;
  const number = /^\d{1,2}$/.test(text) ? integer(text) : -1;
  if (number >= 0 && number <= 23) return number;
  throw wrong("invalid syslog facility");
}

function formatOf(text: string): SyslogFormat {
  switch (text) {
    case "":
      return "unix";
    case "rfc3164":
    case "rfc5424":
    case "rfc5424micro":
      return text;
    default:
      throw wrong("Invalid syslog format");
  }
}
