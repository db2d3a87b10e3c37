/** What the daemon is told about containers that do not say it themselves, by flags and by daemon.json. The keys are dockerd's. */
import { messageOf, fail } from "../base/errors.ts";
import { parseBinarySize } from "../base/units.ts";
import { parseUlimit } from "../cli/options/devices.ts";
import { type ContainerDefaults, NO_DEFAULTS } from "../engine/containers/container-defaults.ts";
import type { Ulimit } from "../specs/engine/container.ts";
import { emptyMap, Fields } from "../specs/engine/fields.decode.ts";
import { cgroupDriverOf, checkCgroupParent } from "./cgroup-driver.ts";
import { type Features, featureOf, featuresOf } from "./features.ts";
import { boolOf, settingBool, settingText, settingTexts } from "./setting-values.ts";

type Ulimits = Readonly<Record<string, Ulimit>>;

/** Absent = not said. */
export interface ContainerSettings {
  readonly "cgroup-parent"?: string;
  readonly "default-cgroupns-mode"?: "host" | "private";
  readonly "default-ipc-mode"?: "private" | "shareable";
  readonly "default-shm-size"?: number;
  readonly "default-ulimits"?: Ulimits;
  readonly init?: boolean;
  readonly "no-new-privileges"?: boolean;
  readonly "seccomp-profile"?: string;
  readonly "cdi-spec-dirs"?: readonly string[];
  readonly "storage-opts"?: readonly string[];
  readonly "exec-opts"?: readonly string[];
  readonly features?: Features;
}

/** Those that count more last. */
const DEFAULT_CDI_DIRS = ["/etc/cdi", "/var/run/cdi"];

export const CONTAINER_HELP = `      --cdi-spec-dir PATH      CDI specifications of devices (default /etc/cdi and /var/run/cdi); can be repeated
      --cgroup-parent PATH     cgroup of all containers' cgroups (default "/gantry")
      --default-cgroupns-mode MODE  host or private (default: private with cgroup v2, else host)
      --default-ipc-mode MODE  private or shareable (default "private")
      --default-shm-size BYTES  size of /dev/shm (default 64MiB)
      --default-ulimit NAME=SOFT[:HARD]  limit of containers that do not name it; can be repeated
      --exec-opt native.cgroupdriver=DRIVER  cgroupfs, or systemd: each container is a scope (default cgroupfs)
      --feature NAME[=BOOL]    switch a feature: cdi (default true); can be repeated
      --init                   PID 1 of containers is an init that reaps and passes on signals
      --no-new-privileges      programs of containers gain no privileges by setuid or file capabilities
      --seccomp-profile FILE   instead of the built-in profile; "unconfined" = none
      --storage-opt KEY=VALUE  an option of the storage driver: overlay2.size limits what each container writes
`;

type FlagReader = (text: string, before: ContainerSettings) => ContainerSettings;

export const CONTAINER_FLAGS: ReadonlyMap<string, FlagReader> = new Map<string, FlagReader>([
  ["--cgroup-parent", (text) => ({ "cgroup-parent": text })],
  ["--default-cgroupns-mode", (text) => ({ "default-cgroupns-mode": cgroupnsOf(text) })],
  ["--default-ipc-mode", (text) => ({ "default-ipc-mode": ipcOf(text) })],
  ["--default-shm-size", (text) => ({ "default-shm-size": sizeOf(text) })],
  [
    "--default-ulimit",
    (text, before) => ({ "default-ulimits": withUlimit(before["default-ulimits"] ?? {}, text) }),
  ],
  ["--cdi-spec-dir", (text, before) => ({ "cdi-spec-dirs": [...(before["cdi-spec-dirs"] ?? []), text] })],
  ["--exec-opt", (text, before) => ({ "exec-opts": execOptions([...(before["exec-opts"] ?? []), text]) })],
  ["--feature", (text, before) => ({ features: { ...before.features, ...featureOf(text) } })],
  ["--init", (text) => ({ init: boolOf("--init", text) })],
  ["--no-new-privileges", (text) => ({ "no-new-privileges": boolOf("--no-new-privileges", text) })],
  ["--storage-opt", (text, before) => ({ "storage-opts": [...(before["storage-opts"] ?? []), text] })],
  ["--seccomp-profile", (text) => ({ "seccomp-profile": text })],
]);

/** Flags that need no value. */
export const CONTAINER_SWITCHES: ReadonlySet<string> = new Set(["--init", "--no-new-privileges"]);

/** Keys of daemon.json. */
export const CONTAINER_READERS: Readonly<Record<string, (value: unknown) => ContainerSettings>> =
  Object.assign(emptyMap<(value: unknown) => ContainerSettings>(), {
    "cgroup-parent": (value: unknown) => ({ "cgroup-parent": settingText("cgroup-parent", value) }),
    "default-cgroupns-mode": (value: unknown) => ({
      "default-cgroupns-mode": cgroupnsOf(settingText("default-cgroupns-mode", value)),
    }),
    "default-ipc-mode": (value: unknown) => ({
      "default-ipc-mode": ipcOf(settingText("default-ipc-mode", value)),
    }),
    "default-shm-size": (value: unknown) => ({ "default-shm-size": sizeOf(value) }),
    "default-ulimits": (value: unknown) => ({ "default-ulimits": ulimitsOf(value) }),
    "cdi-spec-dirs": (value: unknown) => ({ "cdi-spec-dirs": settingTexts("cdi-spec-dirs", value) }),
    "exec-opts": (value: unknown) => ({ "exec-opts": execOptions(settingTexts("exec-opts", value)) }),
    features: (value: unknown) => ({ features: featuresOf(value) }),
    init: (value: unknown) => ({ init: settingBool("init", value) }),
    "no-new-privileges": (value: unknown) => ({
      "no-new-privileges": settingBool("no-new-privileges", value),
    }),
    "storage-opts": (value: unknown) => ({ "storage-opts": settingTexts("storage-opts", value) }),
    "seccomp-profile": (value: unknown) => ({ "seccomp-profile": settingText("seccomp-profile", value) }),
  });

/** Looked at as soon as they are read: a mistake among them is told whoever asks for it. */
function execOptions(options: readonly string[]): readonly string[] {
  cgroupDriverOf(options);
  return options;
}

/** `seccomp` is as said: "builtin", "unconfined" or a file's path. Throws `invalid_argument` for what does not go together. */
export function containerDefaults(settings: ContainerSettings): ContainerDefaults {
  const cgroupDriver = cgroupDriverOf(settings["exec-opts"] ?? []);
  checkCgroupParent(settings["cgroup-parent"] ?? "", cgroupDriver);
  return {
    ipcMode: settings["default-ipc-mode"] ?? NO_DEFAULTS.ipcMode,
    cgroupnsMode: settings["default-cgroupns-mode"] ?? NO_DEFAULTS.cgroupnsMode,
    shmSizeBytes: settings["default-shm-size"] ?? NO_DEFAULTS.shmSizeBytes,
    ulimits: Object.values(settings["default-ulimits"] ?? {}),
    init: settings.init ?? NO_DEFAULTS.init,
    cgroupDriver,
    cgroupParent: settings["cgroup-parent"] ?? NO_DEFAULTS.cgroupParent,
    noNewPrivileges: settings["no-new-privileges"] ?? NO_DEFAULTS.noNewPrivileges,
    seccomp: settings["seccomp-profile"] || NO_DEFAULTS.seccomp,
  };
}

/** None = CDI is off: by the feature, or by a list of nothing. */
export function cdiSpecDirs({
  "cdi-spec-dirs": dirs = DEFAULT_CDI_DIRS,
  features,
}: ContainerSettings): readonly string[] {
  const given = dirs.filter((dir) => dir !== "");
  const relative = given.find((dir) => !dir.startsWith("/"));
  if (relative !== undefined) throw wrong(`invalid CDI directory "${relative}": it is not an absolute path`);
  return features?.cdi === false ? [] : given;
}

function ipcOf(text: string): "private" | "shareable" {
  if (text === "private" || text === "shareable") return text;
  const hint = 'use "shareable" or "private"';
  throw ["host", "none"].includes(text) || text.startsWith("container:")
    ? wrong(`IPC mode "${text}" is not supported as default value; ${hint}`)
    : wrong(`default IPC mode setting (${text.slice(0, 100)}) is invalid; ${hint}`);
}

function cgroupnsOf(text: string): "host" | "private" {
  if (text === "host" || text === "private") return text;
  throw wrong(`default cgroup namespace mode (${text.slice(0, 100)}) is invalid; use "host" or "private"`);
}

/** A number of bytes, or "64M". */
function sizeOf(value: unknown): number {
  const bytes = typeof value === "string" ? parseBinarySize(value) : value;
  if (typeof bytes !== "number" || !Number.isSafeInteger(bytes) || bytes < 1)
    throw wrong(`"default-shm-size" must be a size, not ${JSON.stringify(value)?.slice(0, 100)}`);
  return bytes;
}

function withUlimit(ulimits: Ulimits, text: string): Ulimits {
  try {
    const limit = parseUlimit(text);
    return Object.assign(emptyMap<Ulimit>(), ulimits, { [limit.Name]: limit });
  } catch (error) {
    throw wrong(`invalid argument ${JSON.stringify(text)} for "--default-ulimit" flag: ${messageOf(error)}`);
  }
}

/** {"nofile": {"Name": "nofile", "Soft": 1024, "Hard": 2048}}; the name within may be missing, or is the same. */
function ulimitsOf(value: unknown): Ulimits {
  const ulimits = emptyMap<Ulimit>();
  const entries = new Fields({ "default-ulimits": value }, "").map("default-ulimits", (entry, path) => {
    const fields = new Fields(entry, path);
    return { name: fields.str("Name"), soft: fields.int("Soft"), hard: fields.int("Hard") };
  });
  for (const [key, { name, soft, hard }] of Object.entries(entries ?? {})) {
    if (name !== "" && name !== key) throw wrong(`"default-ulimits.${key}" is called "${name}" within`);
    try {
      ulimits[key] = parseUlimit(`${key}=${soft}:${hard}`);
    } catch (error) {
      throw wrong(`"default-ulimits.${key}": ${messageOf(error)}`);
    }
  }
  return ulimits;
}

function wrong(message: string): Error {
  return fail("invalid_argument", message);
}
