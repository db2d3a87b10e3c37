/** The daemon's options: its command line, and the configuration file that goes with it (daemon-config.ts). */
import { join, resolve } from "node:path";
import { fail } from "../base/errors.ts";
import { DEFAULT_GARBAGE_POLICY, type GarbagePolicy } from "../core/gc/image-policy.ts";
import type { RuntimeProgram } from "../core/tasks/tasks.ts";
import type { ContainerDefaults } from "../engine/containers/container-defaults.ts";
import type { LogConfig } from "../specs/engine/container.ts";
import { checkRuntime, type DaemonConfig, DEFAULT_CONFIG_FILE } from "./daemon-config.ts";
import {
  DOOR_FLAGS,
  DOOR_HELP,
  DOOR_SWITCHES,
  type DoorOptions,
  doorOptions,
  type DoorSettings,
  isOpenOnPurpose,
} from "./door-settings.ts";
import {
  ENGINE_FLAGS,
  ENGINE_HELP,
  ENGINE_SWITCHES,
  type EngineOptions,
  engineOptions,
  type EngineSettings,
} from "./engine-settings.ts";
import { ABSENT_FLAGS, ABSENT_SWITCHES } from "./absent-settings.ts";
import {
  CONTAINER_FLAGS,
  CONTAINER_HELP,
  CONTAINER_SWITCHES,
  cdiSpecDirs,
  containerDefaults,
  type ContainerSettings,
} from "./container-settings.ts";
import { LOG_FLAGS, LOG_HELP, logConfigOf, type LogSettings } from "./log-settings.ts";
import type { NetworkSettings } from "./network-settings.ts";
import { NETWORK_FLAGS, NETWORK_HELP, NETWORK_KEYS, NETWORK_SWITCHES } from "./network-settings-keys.ts";
import { REGISTRY_FLAGS, REGISTRY_HELP, type RegistrySettings } from "./registry-settings.ts";

export interface DaemonOptions {
  readonly doors: DoorOptions & {
    /** TCP without client certificates is what the operator wants. */
    readonly isOpenOnPurpose: boolean;
  };
  readonly dataRoot: string;
  readonly execRoot: string;
  /** Who may use the unix sockets besides root. */
  readonly group: string;
  readonly engine: EngineOptions;
  /** Of containers that name no log driver. */
  readonly logConfig: LogConfig;
  /** `seccomp`: a profile's path, or "builtin" or "unconfined". */
  readonly containers: ContainerDefaults;
  /** None = CDI is off. */
  readonly cdiSpecDirs: readonly string[];
  /** "" = none. */
  readonly pidFile: string;
  /** Runtimes besides the built-in one, by name. */
  readonly runtimes: ReadonlyMap<string, RuntimeProgram>;
  /** "" = the built-in one. */
  readonly defaultRuntime: string;
  /** "default", "user", "user:group" or "uid:gid"; "" = containers have the host's users. */
  readonly usernsRemap: string;
  /** Given by the file alone. */
  readonly garbage: GarbagePolicy;
  readonly registry: RegistrySettings;
  readonly network: NetworkSettings;
  /** "" = the one that has data, or overlay2. */
  readonly storageDriver: string;
  /** For that driver, "key=value". */
  readonly storageOptions: readonly string[];
  readonly maxDownloads: number;
  readonly maxUploads: number;
}

/** What the command line says. Absent = it does not say. */
export interface DaemonFlags
  extends Omit<
    DaemonConfig,
    "runtimes" | "garbage" | "registry" | "network" | "doors" | "engine" | "logs" | "containers"
  > {
  readonly configFile?: string;
  /** Only look whether all this makes sense. */
  readonly validate?: boolean;
  readonly runtimes: Readonly<Record<string, RuntimeProgram>>;
  readonly registry: RegistrySettings;
  readonly network: NetworkSettings;
  readonly doors: DoorSettings;
  readonly engine: EngineSettings;
  readonly logs: LogSettings;
  readonly containers: ContainerSettings;
}

export const DAEMON_HELP = `Usage: gantryd [OPTIONS]

Runs the container engine.

      --add-runtime NAME=PATH  offer an OCI runtime besides the built-in one; can be repeated
      --config-file PATH       options as a file (default "/etc/gantry/daemon.json")
      --data-root PATH         state that is kept (default "/var/lib/gantry")
      --default-runtime NAME   runtime of containers that name none (default "gantry-runc")
      --exec-root PATH         state of what runs (default "/run/gantry")
${CONTAINER_HELP}${ENGINE_HELP}${LOG_HELP}${REGISTRY_HELP}      --max-concurrent-downloads N  layers that are fetched at the same time (default 3)
      --max-concurrent-uploads N  layers that are pushed at the same time (default 5)
  -p, --pidfile PATH           write the process id there
      --userns-remap USER      give containers the subordinate ids of this user ("default": of dockremap)
  -s, --storage-driver NAME    overlay2, erofs, btrfs or vfs (default: what there is data of, or "overlay2")
      --validate               only check the options and daemon.json
  -v, --version                print the version
${DOOR_HELP}${NETWORK_HELP}`;

type NumberKey = "maxDownloads" | "maxUploads";
type ValueKey = Exclude<
  keyof DaemonFlags,
  "runtimes" | "registry" | "network" | "doors" | "engine" | "logs" | "containers" | "validate" | NumberKey
>;

const VALUES: ReadonlyMap<string, ValueKey> = new Map([
  ["--config-file", "configFile"],
  ["--default-runtime", "defaultRuntime"],
  ["--userns-remap", "usernsRemap"],
  ["--storage-driver", "storageDriver"],
  ["-s", "storageDriver"],
  ["--data-root", "dataRoot"],
  ["-g", "dataRoot"],
  ["--exec-root", "execRoot"],
  ["--group", "group"],
  ["-G", "group"],
  ["--pidfile", "pidFile"],
  ["-p", "pidFile"],
]);
const COUNTS: ReadonlyMap<string, NumberKey> = new Map([
  ["--max-concurrent-downloads", "maxDownloads"],
  ["--max-concurrent-uploads", "maxUploads"],
]);
const SWITCHES: ReadonlySet<string> = new Set([
  ...NETWORK_SWITCHES,
  ...DOOR_SWITCHES,
  ...ENGINE_SWITCHES,
  ...CONTAINER_SWITCHES,
  ...ABSENT_SWITCHES,
]);

/** Throws `invalid_argument` with one sentence. */
export function parseDaemonFlags(words: readonly string[]): DaemonFlags | "help" | "version" {
  const given: { [K in ValueKey]?: string } = {};
  const counts: { [K in NumberKey]?: number } = {};
  const runtimes: Record<string, RuntimeProgram> = {};
  let registry: RegistrySettings = {};
  let network: NetworkSettings = {};
  let doors: DoorSettings = {};
  let engine: EngineSettings = {};
  let logs: LogSettings = {};
  let containers: ContainerSettings = {};
  let validate = false;
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? "";
    if (word === "--help" || word === "-h") return "help";
    if (word === "--version" || word === "-v") return "version";
    if (word === "--validate") {
      validate = true;
      continue;
    }
    const { name, said } = splitWord(word);
    const key = VALUES.get(name);
    const registryFlag = REGISTRY_FLAGS.get(name);
    const networkFlag = NETWORK_FLAGS.get(name);
    const doorFlag = DOOR_FLAGS.get(name);
    const engineFlag = ENGINE_FLAGS.get(name);
    const logFlag = LOG_FLAGS.get(name);
    const containerFlag = CONTAINER_FLAGS.get(name);
    const absentFlag = ABSENT_FLAGS.get(name);
    const count = COUNTS.get(name);
    const settingFlag =
      registryFlag ?? networkFlag ?? doorFlag ?? engineFlag ?? logFlag ?? containerFlag ?? absentFlag;
    const known = key ?? settingFlag ?? count;
    if (known === undefined && name !== "--add-runtime")
      throw fail("invalid_argument", `unknown option "${word}"; see gantryd --help`);
    const next = (): string | undefined => (SWITCHES.has(name) ? "true" : words[++i]);
    const value = said ?? next();
    if (value === undefined || value === "") throw fail("invalid_argument", `option "${word}" needs a value`);
    if (registryFlag !== undefined) registry = { ...registry, ...registryFlag(value, registry) };
    else if (networkFlag !== undefined) network = { ...network, ...networkFlag(value, network) };
    else if (doorFlag !== undefined) doors = { ...doors, ...doorFlag(value, doors) };
    else if (engineFlag !== undefined) engine = { ...engine, ...engineFlag(value, engine) };
    else if (logFlag !== undefined) logs = { ...logs, ...logFlag(value, logs) };
    else if (containerFlag !== undefined) containers = { ...containers, ...containerFlag(value, containers) };
    else if (absentFlag !== undefined) absentFlag(value);
    else if (count !== undefined) counts[count] = countOf(name, value);
    else if (key === undefined) addRuntime(runtimes, value);
    else given[key] = value;
  }
  return {
    ...given,
    ...counts,
    ...(validate ? { validate } : {}),
    runtimes,
    registry,
    network,
    doors,
    engine,
    logs,
    containers,
  };
}

/** "--name=value", "-n=value", "-nvalue"; `said` is undefined where the value is a word of its own. */
function splitWord(word: string): { readonly name: string; readonly said: string | undefined } {
  const parts = /^(--[^=]*|-[^-=])=?(.*)$/s.exec(word);
  const [, name = word, rest = ""] = parts ?? [];
  return name === word ? { name, said: undefined } : { name, said: rest };
}

function countOf(name: string, text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text))
    throw fail("invalid_argument", `"${name}" must be a number, at least 1, not "${text}"`);
  return Number(text);
}

function addRuntime(runtimes: Record<string, RuntimeProgram>, text: string): void {
  const at = text.indexOf("=");
  if (at < 0) throw fail("invalid_argument", `"--add-runtime ${text}" is not NAME=PATH`);
  const name = text.slice(0, at);
  const path = text.slice(at + 1);
  checkRuntime(name, path);
  if (Object.hasOwn(runtimes, name)) throw fail("invalid_argument", `runtime "${name}" is added twice`);
  Object.defineProperty(runtimes, name, { value: { path, args: [] }, enumerable: true });
}

/** Where the file is, and whether it has to be there: a file that was named is not optional. */
export function configFileOf(flags: DaemonFlags): { readonly path: string; readonly mustExist: boolean } {
  const { configFile } = flags;
  return { path: resolve(configFile ?? DEFAULT_CONFIG_FILE), mustExist: configFile !== undefined };
}

/** Throws `invalid_argument` when both say the same thing, or something that makes no sense. */
export function daemonOptions(
  flags: DaemonFlags,
  config: DaemonConfig,
  certificates = "/root/.docker",
): DaemonOptions {
  refuseDoubled(flags, config);
  const given = { ...config, ...flags };
  const runtimes = new Map(Object.entries({ ...config.runtimes, ...flags.runtimes }));
  const execRoot = resolve(given.execRoot ?? "/run/gantry");
  const doors = { ...config.doors, ...flags.doors };
  const containers = { ...config.containers, ...flags.containers };
  return {
    doors: {
      ...doorOptions(doors, { socketPath: join(execRoot, "gantry.sock"), certificates }),
      isOpenOnPurpose: isOpenOnPurpose(doors),
    },
    dataRoot: resolve(given.dataRoot ?? "/var/lib/gantry"),
    execRoot,
    group: given.group ?? "docker",
    engine: engineOptions({ ...config.engine, ...flags.engine }),
    logConfig: logConfigOf({ ...config.logs, ...flags.logs }),
    containers: containerDefaults(containers),
    cdiSpecDirs: cdiSpecDirs(containers),
    pidFile: (given.pidFile ?? "") === "" ? "" : resolve(given.pidFile ?? ""),
    runtimes,
    defaultRuntime: given.defaultRuntime ?? "",
    usernsRemap: given.usernsRemap ?? "",
    garbage: config.garbage ?? DEFAULT_GARBAGE_POLICY,
    registry: { ...config.registry, ...flags.registry },
    network: { ...config.network, ...flags.network },
    storageOptions: containers["storage-opts"] ?? [],
    storageDriver: given.storageDriver ?? "",
    // Docker's defaults.
    maxDownloads: given.maxDownloads ?? 3,
    maxUploads: given.maxUploads ?? 5,
  };
}

/** As dockerd: whoever reads the file must be able to rely on it. */
function refuseDoubled(flags: DaemonFlags, config: DaemonConfig): void {
  const values = [...VALUES, ...COUNTS].filter(([name]) => name.startsWith("--"));
  const doubled = values
    .filter(([, key]) => key !== "configFile" && flags[key] !== undefined && config[key] !== undefined)
    .map(([name, key]) =>
      key === "configFile" ? name : `${name.slice(2)}: (from flag: ${flags[key]}, from file: ${config[key]})`,
    );
  const runtimes = Object.keys(flags.runtimes).filter((name) => Object.hasOwn(config.runtimes ?? {}, name));
  // Without values: a proxy's may have a password.
  const registry = doubledIn(flags.registry, config.registry).map(([key]) => key);
  const network = doubledIn(flags.network, config.network).map(
    ([key, flag, file]) => `${NETWORK_KEYS.get(key) ?? key}${bothValues(flag, file)}`,
  );
  const own = [
    ...doubledIn(flags.engine, config.engine),
    ...doubledIn(flags.logs, config.logs),
    ...doubledIn(flags.containers, config.containers),
    ...doubledIn(flags.doors, config.doors),
  ].map(([key, flag, file]) => `${key}${bothValues(flag, file)}`);
  const all = [...doubled, ...own, ...registry, ...network, ...runtimes.map((name) => `runtimes: ${name}`)];
  if (all.length > 0)
    throw fail(
      "invalid_argument",
      `the following directives are specified both as a flag and in the configuration file: ${all.join(", ")}`,
    );
}

type Doubled = readonly [key: string, flag: unknown, file: unknown];

function doubledIn(flags: object, file: object = {}): readonly Doubled[] {
  const said = new Map<string, unknown>(Object.entries(file));
  return Object.entries(flags)
    .filter(([key]) => said.has(key))
    .map(([key, value]): Doubled => [key, value, said.get(key)]);
}

/** As Go prints them. Nothing of what is more than a value or a list of them. */
function bothValues(flag: unknown, file: unknown): string {
  const isPlain = [flag, file].flat().every((value) => typeof value !== "object");
  const text = (value: unknown): string => (Array.isArray(value) ? `[${value.join(" ")}]` : String(value));
  return isPlain ? `: (from flag: ${text(flag)}, from file: ${text(file)})` : "";
}
