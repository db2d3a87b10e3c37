/** `--log-driver` and `--log-opt`: what the shim is told about the container's log. Pure. */
import { fail } from "../../base/errors.ts";
import type { LogSink } from "../../core/tasks/tasks.ts";
import type { ContainerConfig, LogConfig } from "../../specs/engine/container.ts";
import { emptyMap } from "../../specs/engine/fields.decode.ts";

const DRIVERS_OF_DOCKER = [
  "local",
  "syslog",
  "journald",
  "gelf",
  "fluentd",
  "awslogs",
  "splunk",
  "etwlogs",
  "gcplogs",
];

/** The log of a container, or undefined for driver "none". Throws `invalid_argument` or `not_implemented`. */
export function logSinkOf(log: LogConfig, config: ContainerConfig, path: string): LogSink | undefined {
  if (log.Type === "none") return undefined;
  if (DRIVERS_OF_DOCKER.includes(log.Type))
    throw fail("not_implemented", `log driver "${log.Type}" is not supported by this engine yet`);
  if (log.Type !== "json-file" && log.Type !== "")
    throw fail("invalid_argument", `logger: no log driver named '${log.Type}' is registered`);
  const options = new Map(Object.entries(log.Config ?? {}));
  const known = new Set(["max-size", "max-file", "compress", "labels", "env"]);
  for (const name of options.keys()) {
    if (["mode", "max-buffer-size", "tag", "labels-regex", "env-regex"].includes(name)) {
      if (name === "mode" && options.get(name) === "blocking") continue;
      throw fail("not_implemented", `log opt '${name}' is not supported by this engine yet`);
    }
    if (!known.has(name))
      throw fail("invalid_argument", `unknown log opt '${name}' for json-file log driver`);
  }
  const maxBytes = parseSize(options.get("max-size"));
  const maxFiles = parseCount(options.get("max-file"));
  const compress = parseFlag(options.get("compress"));
  if (maxFiles > 1 && maxBytes === 0)
    throw fail("invalid_argument", "max-file cannot be used without max-size");
  if (compress && (maxBytes === 0 || maxFiles < 2))
    throw fail(
      "invalid_argument",
      "compress cannot be true when max-file is less than 2 or max-size is not set",
    );
  return { path, maxBytes, maxFiles, compress, attrs: attributesOf(options, config) };
}

/** "10m" → bytes, with Docker's binary units; absent or "-1" → 0 = never rotate. */
function parseSize(text: string | undefined): number {
  if (text === undefined || text === "-1") return 0;
  const match = /^(\d{1,12}(?:\.\d{1,6})?) ?([kmgtp])?(?:i?b)?$/i.exec(text.trim());
  const power = "kmgtp".indexOf((match?.[2] ?? "").toLowerCase() || "?") + 1;
  const bytes = match === null ? Number.NaN : Math.floor(Number(match[1]) * 1024 ** power);
  if (!Number.isSafeInteger(bytes) || bytes <= 0)
    throw fail("invalid_argument", `invalid value "${text}" of log opt 'max-size'`);
  return bytes;
}

function parseCount(text: string | undefined): number {
  if (text === undefined) return 1;
  const count = Number(text);
  if (!/^\d{1,6}$/.test(text) || count < 1) throw fail("invalid_argument", "max-file cannot be less than 1");
  return count;
}

function parseFlag(text: string | undefined): boolean {
  if (text === undefined) return false;
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw fail("invalid_argument", `invalid value "${text}" of log opt 'compress'`);
}

/** The chosen labels and variables as a JSON object text; "" when there are none. */
function attributesOf(options: ReadonlyMap<string, string>, config: ContainerConfig): string {
  const attributes = emptyMap<string>();
  const labels = config.Labels ?? {};
  for (const name of (options.get("labels") ?? "").split(","))
    if (Object.hasOwn(labels, name)) attributes[name] = labels[name] ?? "";
  const wanted = new Set((options.get("env") ?? "").split(","));
  for (const entry of config.Env ?? []) {
    const at = entry.indexOf("=");
    if (at > 0 && wanted.has(entry.slice(0, at))) attributes[entry.slice(0, at)] = entry.slice(at + 1);
  }
  return Object.keys(attributes).length === 0 ? "" : JSON.stringify(attributes);
}
