/**
 * The log drivers: which there are, which options each takes, and what comes of them — the file that the shim writes, and
 * where its lines are sent besides. Pure. Names, rules and words are Docker's.
 */
import { fail } from "../../base/errors.ts";
import {
  attributesJson,
  attributesOf,
  commandOf,
  DEFAULT_TAG,
  type LogFacts,
  regexOf,
  type RenderTemplate,
  tagOf,
} from "./log-facts.ts";
import {
  bufferBytes,
  type FileLimits,
  holding,
  isCacheDisabled,
  jsonFileLimits,
  localLimits,
} from "./file-options.ts";
import { momentOfNs, timeText } from "./entry-time.ts";
import { FLUENTD_OPTIONS, fluentdOptions } from "./fluentd-options.ts";
import { GELF_OPTIONS, gelfOptions } from "./gelf-options.ts";
import { type LogOptions, wrong } from "./option-values.ts";
import { DEFAULT_RETRY, type RemoteLog } from "./remote-log.ts";
import { SYSLOG_OPTIONS, syslogOptions } from "./syslog-options.ts";
import { journalFields } from "./journal-fields.ts";

export interface LogPlan {
  /** "json": Docker's json-file; "local": ours, exact, wherever the files of the engine are. */
  readonly file: FileLimits & { readonly kind: "json" | "local"; readonly attrs: string };
  /** `logs` may read the file. */
  readonly isReadable: boolean;
  readonly remote: RemoteLog | undefined;
}

interface Driver {
  readonly options: readonly string[];
  /** What Docker says about an option that it does not take. */
  readonly unknown: (option: string) => string;
  /** Checks the values that do not depend on the container. */
  readonly check: (options: LogOptions) => void;
}

const COMMON = ["env", "env-regex", "labels", "labels-regex", "tag"];
/** Options that every driver takes. */
const BUILT_IN: ReadonlySet<string> = new Set(
  ["disabled", "max-file", "max-size", "compress", ...COMMON].map((name) => `cache-${name}`),
)
  .add("mode")
  .add("max-buffer-size");
const FILE = ["max-file", "max-size", "compress"];

const quoted = (driver: string) => (option: string) => `unknown log opt '${option}' for ${driver} log driver`;

const DRIVERS: ReadonlyMap<string, Driver> = new Map<string, Driver>([
  ["json-file", { options: FILE, unknown: quoted("json-file"), check: jsonFileLimits }],
  [
    "local",
    {
      options: FILE,
      unknown: (option) => `unknown log opt '${option}' for log driver local`,
      check: (options) => localLimits(options, ""),
    },
  ],
  ["syslog", { options: SYSLOG_OPTIONS, unknown: quoted("syslog"), check: syslogOptions }],
  ["journald", { options: [], unknown: quoted("journald"), check: () => {} }],
  ["fluentd", { options: FLUENTD_OPTIONS, unknown: quoted("fluentd"), check: fluentdOptions }],
  [
    "gelf",
    {
      options: GELF_OPTIONS,
      unknown: (option) => `unknown log opt ${JSON.stringify(option)} for gelf log driver`,
      check: gelfOptions,
    },
  ],
]);

/** As `info` lists them: without "none", as Docker does. */
export const LOG_DRIVERS: readonly string[] = [...DRIVERS.keys()].sort();

/** Drivers of Docker that send to services which this engine does not speak to. */
const OF_DOCKER = ["awslogs", "splunk", "etwlogs", "gcplogs"];

function driverOf(type: string): Driver {
  const driver = DRIVERS.get(type);
  if (driver !== undefined) return driver;
  if (OF_DOCKER.includes(type))
    throw fail("not_implemented", `log driver "${type}" is not supported by this engine`);
  throw wrong(`error looking up logging plugin ${type}: plugin "${type}" not found`);
}

/** Throws `invalid_argument`, naming the option. */
export function checkLogOptions(type: string, options: LogOptions): void {
  if (type === "none") return;
  bufferBytes(options);
  isCacheDisabled(options);
  const driver = driverOf(type);
  for (const name of options.keys())
    if (!BUILT_IN.has(name) && !COMMON.includes(name) && !driver.options.includes(name))
      throw wrong(driver.unknown(name));
  driver.check(options);
  localLimits(options, "cache-");
  regexOf(options, "labels-regex");
  regexOf(options, "env-regex");
}

/** Undefined for "none", which keeps nothing. Throws `invalid_argument`. */
export function planLog(
  type: string,
  options: LogOptions,
  facts: LogFacts,
  render: RenderTemplate,
): LogPlan | undefined {
  if (type === "none") return undefined;
  checkLogOptions(type, options);
  const attributes = new Map(attributesOf(options, facts));
  if (type === "json-file" || type === "local") {
    const tag = tagOf(options, facts, { fallback: "", render });
    if (tag !== "") attributes.set("tag", tag);
    const limits = type === "local" ? localLimits(options, "") : jsonFileLimits(options);
    const kind = type === "local" ? "local" : "json";
    return {
      file: { ...limits, kind, attrs: attributesJson(attributes) },
      isReadable: true,
      remote: undefined,
    };
  }
  const remote = remoteOf(type, options, facts, {
    tag: tagOf(options, facts, { fallback: DEFAULT_TAG, render }),
    attributes,
  });
  const waiting = Math.max(
    bufferBytes(options),
    remote.kind === "fluentd" ? fluentdOptions(options).bufferBytes : 0,
  );
  const limits = holding(localLimits(options, "cache-"), waiting);
  return {
    file: { ...limits, kind: "local", attrs: attributesJson(attributes) },
    isReadable: !isCacheDisabled(options),
    remote,
  };
}

interface Words {
  readonly tag: string;
  readonly attributes: ReadonlyMap<string, string>;
}

function remoteOf(type: string, options: LogOptions, facts: LogFacts, { tag, attributes }: Words): RemoteLog {
  const { hostname } = facts;
  const common = { tag, retry: DEFAULT_RETRY, containerId: facts.id, containerName: facts.name };
  switch (type) {
    case "syslog":
      return { kind: "syslog", ...common, ...syslogOptions(options), hostname };
    case "journald":
      return {
        kind: "journald",
        ...common,
        endpoint: { kind: "unixgram", paths: ["/run/systemd/journal/socket"] },
        fields: journalFields(facts, tag, attributes),
      };
    case "fluentd": {
      const { bufferBytes: _, ...chosen } = fluentdOptions(options);
      return { kind: "fluentd", ...common, ...chosen, attributes };
    }
    case "gelf":
      return {
        kind: "gelf",
        ...common,
        ...gelfOptions(options),
        hostname,
        fields: gelfFields(facts, tag, attributes),
      };
    default:
      throw wrong(`logger: no log driver named '${type}' is registered`);
  }
}

/** What the container's image chose must not pass for what the engine says: its own fields come last. */
function gelfFields(
  facts: LogFacts,
  tag: string,
  attributes: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const given = [...attributes]
    .map(([key, value]) => [key.startsWith("_") ? key : `_${key}`, value] as const)
    // "Libraries SHOULD not allow to send id as additional field" (GELF 1.1).
    .filter(([key]) => key !== "_id");
  return new Map([
    ...given,
    ["_container_id", facts.id],
    ["_container_name", facts.name],
    ["_image_id", facts.imageId],
    ["_image_name", facts.imageName],
    ["_command", commandOf(facts)],
    ["_tag", tag],
    ["_created", timeText(momentOfNs(facts.createdNs))],
  ]);
}
