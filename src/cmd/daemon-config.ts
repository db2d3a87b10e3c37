/**
 * daemon.json: the daemon's options as a file. One object; its keys are the long names of the flags, in the plural where a
 * flag can be given often. Nothing in it is passed over: a key that nobody knows is a mistake, one that Docker has and this
 * engine has not is refused with its reason, and what a flag says, too, is a contradiction. (dockerd's own rules)
 */
import { type FileHandle, open } from "node:fs/promises";
import type { GarbagePolicy } from "../core/gc/image-policy.ts";
import type { RuntimeProgram } from "../core/tasks/tasks.ts";
import { errnoOf, fail, messageOf } from "../base/errors.ts";
import { emptyMap, parseJson } from "../specs/engine/fields.decode.ts";
import { ABSENT_READERS } from "./absent-settings.ts";
import { CONTAINER_READERS, type ContainerSettings } from "./container-settings.ts";
import { DOOR_READERS, type DoorSettings } from "./door-settings.ts";
import { doubledKeys } from "./doubled-keys.ts";
import { ENGINE_READERS, type EngineSettings } from "./engine-settings.ts";
import { LOG_READERS, type LogSettings } from "./log-settings.ts";
import { decodeGarbagePolicy } from "./garbage-policy.ts";
import type { NetworkSettings } from "./network-settings.ts";
import { NETWORK_READERS } from "./network-settings-keys.ts";
import { REGISTRY_READERS, type RegistrySettings } from "./registry-settings.ts";

export const DEFAULT_CONFIG_FILE = "/etc/gantry/daemon.json";

const MAX_BYTES = 1 << 20;

/** What the file says; absent = it does not say. */
export interface DaemonConfig {
  readonly registry?: RegistrySettings;
  readonly network?: NetworkSettings;
  readonly doors?: DoorSettings;
  readonly engine?: EngineSettings;
  readonly logs?: LogSettings;
  readonly containers?: ContainerSettings;
  readonly dataRoot?: string;
  readonly execRoot?: string;
  readonly group?: string;
  readonly pidFile?: string;
  readonly usernsRemap?: string;
  readonly storageDriver?: string;
  readonly defaultRuntime?: string;
  readonly runtimes?: Readonly<Record<string, RuntimeProgram>>;
  readonly garbage?: GarbagePolicy;
  readonly maxDownloads?: number;
  readonly maxUploads?: number;
}

/** Throws `invalid_argument` with the file's name; a missing file is an empty one unless it `mustExist`. */
export async function readDaemonConfig(path: string, mustExist: boolean): Promise<DaemonConfig> {
  const text = await readText(path, mustExist);
  if (text === undefined) return {};
  try {
    return decodeDaemonConfig(text);
  } catch (error) {
    throw fail(
      "invalid_argument",
      `unable to configure the daemon with file ${path}: ${messageOf(error)}`,
      error,
    );
  }
}

async function readText(path: string, mustExist: boolean): Promise<string | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    if (errnoOf(error) === "ENOENT" && !mustExist) return undefined;
    throw fail("invalid_argument", `cannot read the configuration file "${path}"`, error);
  }
  try {
    const { size } = await file.stat();
    if (size > MAX_BYTES) throw fail("invalid_argument", `"${path}" is larger than ${MAX_BYTES} bytes`);
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}

/** An empty document says nothing. Throws `invalid_argument`. */
export function decodeDaemonConfig(text: string): DaemonConfig {
  if (text.trim() === "") return {};
  const entries = new Map(Object.entries(objectOf("the document", parseJson(text))));
  const doubled = doubledKeys(text);
  if (doubled.length > 0)
    throw wrong(`the following directives are specified more than once: ${doubled.join(", ")}`);
  const tables = [
    READERS,
    REGISTRY_READERS,
    NETWORK_READERS,
    DOOR_READERS,
    ENGINE_READERS,
    LOG_READERS,
    CONTAINER_READERS,
    ABSENT_READERS,
  ];
  const unknown = [...entries.keys()].filter((key) => !tables.some((table) => key in table));
  if (unknown.length > 0)
    throw wrong(`the following directives don't match any configuration option: ${unknown.join(", ")}`);
  let config: DaemonConfig = {};
  let registry: RegistrySettings = {};
  let network: NetworkSettings = {};
  let doors: DoorSettings = {};
  let engine: EngineSettings = {};
  let logs: LogSettings = {};
  let containers: ContainerSettings = {};
  for (const [key, value] of entries) {
    config = { ...config, ...READERS[key]?.(value) };
    registry = { ...registry, ...REGISTRY_READERS[key]?.(value) };
    network = { ...network, ...NETWORK_READERS[key]?.(value, network) };
    doors = { ...doors, ...DOOR_READERS[key]?.(value) };
    engine = { ...engine, ...ENGINE_READERS[key]?.(value) };
    logs = { ...logs, ...LOG_READERS[key]?.(value) };
    containers = { ...containers, ...CONTAINER_READERS[key]?.(value) };
    ABSENT_READERS[key]?.(value);
  }
  return {
    ...config,
    ...(isSaid(registry) ? { registry } : {}),
    ...(isSaid(network) ? { network } : {}),
    ...(isSaid(doors) ? { doors } : {}),
    ...(isSaid(engine) ? { engine } : {}),
    ...(isSaid(logs) ? { logs } : {}),
    ...(isSaid(containers) ? { containers } : {}),
  };
}

function isSaid(settings: object): boolean {
  return Object.keys(settings).length > 0;
}

const READERS: Readonly<Record<string, (value: unknown) => DaemonConfig>> = Object.assign(
  emptyMap<(value: unknown) => DaemonConfig>(),
  {
    "data-root": (value: unknown) => ({ dataRoot: textOf("data-root", value) }),
    "exec-root": (value: unknown) => ({ execRoot: textOf("exec-root", value) }),
    group: (value: unknown) => ({ group: textOf("group", value) }),
    pidfile: (value: unknown) => ({ pidFile: textOf("pidfile", value) }),
    "userns-remap": (value: unknown) => ({ usernsRemap: textOf("userns-remap", value) }),
    "storage-driver": (value: unknown) => ({ storageDriver: textOf("storage-driver", value) }),
    "default-runtime": (value: unknown) => ({ defaultRuntime: textOf("default-runtime", value) }),
    runtimes: (value: unknown) => ({ runtimes: runtimesOf(value) }),
    gc: (value: unknown) => ({ garbage: decodeGarbagePolicy(value) }),
    "max-concurrent-downloads": (value: unknown) => ({
      maxDownloads: countOf("max-concurrent-downloads", value),
    }),
    "max-concurrent-uploads": (value: unknown) => ({ maxUploads: countOf("max-concurrent-uploads", value) }),
  },
);

function runtimesOf(value: unknown): Readonly<Record<string, RuntimeProgram>> {
  const runtimes = emptyMap<RuntimeProgram>();
  for (const [name, entry] of Object.entries(objectOf('"runtimes"', value))) {
    const at = `runtimes.${name}`;
    const { path, runtimeArgs, ...other } = objectOf(`"${at}"`, entry);
    const [key] = Object.keys(other);
    if (key !== undefined)
      throw wrong(
        `"${at}.${key}" is not supported: a runtime is a program ("path") that takes runc's commands`,
      );
    runtimes[name] = {
      path: textOf(`${at}.path`, path),
      args:
        runtimeArgs === undefined || runtimeArgs === null ? [] : textsOf(`${at}.runtimeArgs`, runtimeArgs),
    };
    checkRuntime(name, runtimes[name].path);
  }
  return runtimes;
}

/** Names that Docker allows: a start of letters and digits, no path. Throws `invalid_argument`. */
export function checkRuntime(name: string, path: string): void {
  if (!/^[a-zA-Z0-9][\w.-]{0,127}$/.test(name)) throw wrong(`invalid runtime name "${name.slice(0, 140)}"`);
  if (path === "") throw wrong(`runtime "${name}" has no path`);
}

function wrong(message: string): Error {
  return fail("invalid_argument", message);
}

function objectOf(what: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw wrong(`${what} must be an object`);
  return Object.assign(emptyMap<unknown>(), value);
}

function textOf(key: string, value: unknown): string {
  if (typeof value !== "string" || value.includes("\0")) throw wrong(`"${key}" must be a text`);
  return value;
}

function countOf(key: string, value: unknown): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 1)
    throw wrong(`"${key}" must be a number, at least 1`);
  return value;
}

function textsOf(key: string, value: unknown): readonly string[] {
  if (!Array.isArray(value)) throw wrong(`"${key}" must be a list`);
  return value.map((item) => textOf(key, item));
}
