/**
 * What the daemon is told about itself, by flags and by daemon.json: its log, its labels, what becomes of containers when it
 * ends, who is asked about requests. All but `metrics-addr` and `min-api-version` counts anew after a SIGHUP. The keys are dockerd's.
 */
import { type MetricsAddress, parseMetricsAddress } from "../api/metrics/serve.ts";
import { MINIMUM_MINOR, parseMinimumVersion } from "../api/version.ts";
import { fail } from "../base/errors.ts";
import { type Format, FORMATS, type Level, LEVELS } from "../base/log.ts";
import { emptyMap } from "../specs/engine/fields.decode.ts";
import { boolOf, settingBool, settingText, settingTexts } from "./setting-values.ts";

/** Absent = not said. */
export interface EngineSettings {
  readonly debug?: boolean;
  readonly "log-level"?: Level;
  readonly "log-format"?: Format;
  readonly "live-restore"?: boolean;
  readonly "shutdown-timeout"?: number;
  readonly "default-stop-timeout"?: number;
  /** The minor version of "1.NN". */
  readonly "min-api-version"?: number;
  readonly labels?: readonly string[];
  readonly "metrics-addr"?: string;
  readonly "authorization-plugins"?: readonly string[];
}

export interface EngineOptions {
  readonly debug: boolean;
  readonly logLevel: Level;
  readonly logFormat: Format;
  /** Containers go on while there is no daemon. */
  readonly liveRestore: boolean;
  /** For containers to end when they do not go on; below 0 = no limit. */
  readonly shutdownSeconds: number;
  /** For containers that do not say it, before they are killed. */
  readonly defaultStopSeconds: number;
  /** The oldest API version that is served: 1.NN. */
  readonly minimumApiMinor: number;
  readonly labels: readonly string[];
  /** Undefined = there are no metrics. */
  readonly metrics: MetricsAddress | undefined;
  /** Names, in the order in which they are asked; each once. */
  readonly authorizationPlugins: readonly string[];
}

/** dockerd's. */
const DEFAULT_SHUTDOWN_SECONDS = 15;
const DEFAULT_STOP_SECONDS = 10;

export const ENGINE_HELP = `      --authorization-plugin NAME  ask this plugin about every request; can be repeated
  -D, --debug                  log everything
      --default-stop-timeout N  seconds between the stop signal and KILL for containers that do not say it (default 10)
      --label KEY=VALUE        tell \`info\` something about this engine; can be repeated
      --live-restore           containers go on while the daemon does not run (default true)
      --log-format FORMAT      text or json (default "text")
  -l, --log-level LEVEL        debug, info, warn, error or fatal (default "info")
      --metrics-addr HOST:PORT  serve numbers for Prometheus at /metrics there
      --shutdown-timeout N     seconds for containers to end, with --live-restore=false (default 15)
`;

type FlagReader = (text: string, before: EngineSettings) => EngineSettings;

const setDebug: FlagReader = (text) => ({ debug: boolOf("--debug", text) });
const setLevel: FlagReader = (text) => ({ "log-level": levelOf(text) });

export const ENGINE_FLAGS: ReadonlyMap<string, FlagReader> = new Map<string, FlagReader>([
  ["--debug", setDebug],
  ["-D", setDebug],
  ["--log-level", setLevel],
  ["-l", setLevel],
  ["--log-format", (text) => ({ "log-format": formatOf(text) })],
  ["--live-restore", (text) => ({ "live-restore": boolOf("--live-restore", text) })],
  ["--shutdown-timeout", (text) => ({ "shutdown-timeout": secondsOf("shutdown-timeout", text) })],
  ["--default-stop-timeout", (text) => ({ "default-stop-timeout": stopSecondsOf(text) })],
  ["--metrics-addr", (text) => ({ "metrics-addr": text })],
  [
    "--authorization-plugin",
    (text, before) => ({ "authorization-plugins": [...(before["authorization-plugins"] ?? []), text] }),
  ],
  ["--label", (text, { labels = [] }) => ({ labels: withLabel(labels, text) })],
]);

/** Flags that need no value. */
export const ENGINE_SWITCHES: ReadonlySet<string> = new Set(["--debug", "-D", "--live-restore"]);

/** Keys of daemon.json. */
export const ENGINE_READERS: Readonly<Record<string, (value: unknown) => EngineSettings>> = Object.assign(
  emptyMap<(value: unknown) => EngineSettings>(),
  {
    debug: (value: unknown) => ({ debug: settingBool("debug", value) }),
    "log-level": (value: unknown) => ({ "log-level": levelOf(settingText("log-level", value)) }),
    "log-format": (value: unknown) => ({ "log-format": formatOf(settingText("log-format", value)) }),
    "live-restore": (value: unknown) => ({ "live-restore": settingBool("live-restore", value) }),
    "shutdown-timeout": (value: unknown) => ({ "shutdown-timeout": secondsOf("shutdown-timeout", value) }),
    "default-stop-timeout": (value: unknown) => ({ "default-stop-timeout": stopSecondsOf(value) }),
    "min-api-version": (value: unknown) => ({
      "min-api-version": parseMinimumVersion(settingText("min-api-version", value)),
    }),
    "metrics-addr": (value: unknown) => ({ "metrics-addr": settingText("metrics-addr", value) }),
    "authorization-plugins": (value: unknown) => ({
      "authorization-plugins": settingTexts("authorization-plugins", value),
    }),
    labels: (value: unknown) => ({
      labels: settingTexts("labels", value).reduce(withLabel, []),
    }),
  },
);

export function engineOptions(settings: EngineSettings): EngineOptions {
  const debug = settings.debug ?? false;
  return {
    debug,
    logLevel: debug ? "debug" : (settings["log-level"] ?? "info"),
    logFormat: settings["log-format"] ?? "text",
    liveRestore: settings["live-restore"] ?? true,
    shutdownSeconds: settings["shutdown-timeout"] ?? DEFAULT_SHUTDOWN_SECONDS,
    defaultStopSeconds: settings["default-stop-timeout"] ?? DEFAULT_STOP_SECONDS,
    minimumApiMinor: settings["min-api-version"] ?? MINIMUM_MINOR,
    labels: settings.labels ?? [],
    metrics: metricsOf(settings["metrics-addr"] ?? ""),
    authorizationPlugins: [...new Set((settings["authorization-plugins"] ?? []).map(pluginName))],
  };
}

function metricsOf(text: string): MetricsAddress | undefined {
  return text === "" ? undefined : parseMetricsAddress(text);
}

/** What it is called becomes part of a path. */
function pluginName(text: string): string {
  if (/^[a-zA-Z0-9][\w.:@-]{0,127}$/.test(text)) return text;
  throw fail("invalid_argument", `invalid name of an authorization plugin: "${text.slice(0, 140)}"`);
}

function levelOf(text: string): Level {
  for (const level of LEVELS) if (level === text) return level;
  // There is nothing above an error in this log.
  if (text === "fatal") return "error";
  throw fail("invalid_argument", `invalid logging level: ${text}`);
}

function formatOf(text: string): Format {
  for (const format of FORMATS) if (format === text) return format;
  throw fail("invalid_argument", `invalid log format: ${text}`);
}

function secondsOf(key: string, value: unknown): number {
  const seconds = typeof value === "string" && /^-?\d{1,9}$/.test(value) ? Number(value) : value;
  if (typeof seconds !== "number" || !Number.isInteger(seconds) || Math.abs(seconds) >= 1e9)
    throw fail("invalid_argument", `"${key}" must be a number of seconds`);
  return seconds;
}

function stopSecondsOf(value: unknown): number {
  const seconds = secondsOf("default-stop-timeout", value);
  if (seconds < 0) throw fail("invalid_argument", `invalid default stop timeout: ${seconds}`);
  return seconds;
}

function withLabel(labels: readonly string[], label: string): readonly string[] {
  const at = label.indexOf("=");
  if (at <= 0) throw fail("invalid_argument", `bad attribute format: ${label}`);
  const other = labels.find((one) => one.startsWith(label.slice(0, at + 1)) && one !== label);
  if (other !== undefined) throw fail("invalid_argument", `conflict labels for ${label} and ${other}`);
  return [...labels, label];
}
