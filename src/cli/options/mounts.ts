/** `--mount type=bind,src=/a,dst=/b,readonly` as the engine takes it, `-v SRC:DST[:OPTIONS]` and `--tmpfs`. */
import { absolutePath } from "../../base/absolute-path.ts";
import { parseBool } from "../flags.ts";
import { csvFields, fromPairs, parseBytes } from "./values.ts";

/** An entry of HostConfig.Mounts; absent fields are left out, as Docker's CLI does. */
export type MountBody = Record<string, unknown>;

const BARE_KEYS = new Set(["readonly", "ro", "volume-nocopy", "bind-nonrecursive"]);

function boolOf(key: string, value: string): boolean {
  try {
    return parseBool(value);
  } catch {
    throw new Error(`invalid value for ${key}: ${value}`);
  }
}

function pair(value: string): [string, string] {
  const cut = value.indexOf("=");
  return cut < 0 ? [value, ""] : [value.slice(0, cut), value.slice(cut + 1)];
}

export function parseMount(text: string): MountBody {
  const mount: MountBody = { Type: "volume" };
  const bind: MountBody = {};
  const volume: MountBody = {};
  const image: MountBody = {};
  const tmpfs: MountBody = {};
  const labels: [string, string][] = [];
  const driverOptions: [string, string][] = [];
  let driver: string | undefined;
  let recursive = "";
  if (text === "") throw new Error("value is empty");
  for (const field of csvFields(text)) {
    const cut = field.indexOf("=");
    const key = (cut < 0 ? field : field.slice(0, cut)).toLowerCase();
    if (cut < 0 && !BARE_KEYS.has(key)) throw new Error(`invalid field '${field}' must be a key=value pair`);
    const value = cut < 0 ? "true" : field.slice(cut + 1);
    switch (key) {
      case "type":
        mount["Type"] = value.toLowerCase();
        break;
      case "source":
      case "src":
        mount["Source"] = value;
        break;
      case "target":
      case "dst":
      case "destination":
        mount["Target"] = value;
        break;
      case "readonly":
      case "ro":
        mount["ReadOnly"] = boolOf(key, value);
        break;
      case "consistency":
        mount["Consistency"] = value.toLowerCase();
        break;
      case "bind-propagation":
        bind["Propagation"] = value.toLowerCase();
        break;
      case "bind-nonrecursive":
        bind["NonRecursive"] = boolOf(key, value);
        break;
      case "bind-recursive":
        recursive = value;
        break;
      case "bind-create-src":
        bind["CreateMountpoint"] = boolOf(key, value);
        break;
      case "volume-subpath":
        volume["Subpath"] = value;
        break;
      case "volume-nocopy":
        volume["NoCopy"] = boolOf(key, value);
        break;
      case "volume-label":
        labels.push(pair(value));
        break;
      case "volume-driver":
        driver = value;
        break;
      case "volume-opt":
        driverOptions.push(pair(value));
        break;
      case "image-subpath":
        image["Subpath"] = value;
        break;
      case "tmpfs-size":
        tmpfs["SizeBytes"] = sizeOf(key, value);
        break;
      case "tmpfs-mode":
        if (!/^[0-7]{1,11}$/.test(value)) throw new Error(`invalid value for ${key}: ${value}`);
        tmpfs["Mode"] = Number.parseInt(value, 8);
        break;
      default:
        throw new Error(`unexpected key '${key}' in '${field}'`);
    }
  }
  applyRecursive(recursive, mount, bind);
  if (labels.length > 0) volume["Labels"] = fromPairs(labels);
  if (driver !== undefined || driverOptions.length > 0) {
    const config: MountBody = {};
    if (driver !== undefined) config["Name"] = driver;
    if (driverOptions.length > 0) config["Options"] = fromPairs(driverOptions);
    volume["DriverConfig"] = config;
  }
  return finish(mount, { bind, volume, image, tmpfs });
}

function sizeOf(key: string, value: string): number {
  try {
    return parseBytes(value);
  } catch {
    throw new Error(`invalid value for ${key}: ${value}`);
  }
}

function applyRecursive(recursive: string, mount: MountBody, bind: MountBody): void {
  switch (recursive) {
    case "":
    case "enabled":
      return;
    case "disabled":
      bind["NonRecursive"] = true;
      return;
    case "writable":
      bind["ReadOnlyNonRecursive"] = true;
      break;
    case "readonly":
      bind["ReadOnlyForceRecursive"] = true;
      break;
    default:
      throw new Error(
        `invalid value for bind-recursive: ${recursive} (must be "enabled", "disabled", "writable", or "readonly")`,
      );
  }
  if (mount["ReadOnly"] !== true)
    throw new Error(
      `option 'bind-recursive=${recursive}' requires 'readonly' to be specified in conjunction`,
    );
  if (recursive === "readonly" && bind["Propagation"] !== "rprivate")
    throw new Error(
      "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction",
    );
}

const OPTION_FIELDS = {
  bind: "BindOptions",
  volume: "VolumeOptions",
  image: "ImageOptions",
  tmpfs: "TmpfsOptions",
} as const;

function finish(
  mount: MountBody,
  options: Readonly<Record<keyof typeof OPTION_FIELDS, MountBody>>,
): MountBody {
  if (mount["Type"] === "") throw new Error("type is required");
  if (typeof mount["Target"] !== "string" || mount["Target"] === "") throw new Error("target is required");
  for (const kind of ["volume", "bind", "tmpfs", "image"] as const) {
    if (Object.keys(options[kind]).length === 0) continue;
    if (mount["Type"] !== kind)
      throw new Error(`cannot mix '${kind}-*' options with mount type '${String(mount["Type"])}'`);
    mount[OPTION_FIELDS[kind]] = options[kind];
  }
  const { Type, Source, Target, ReadOnly, Consistency, ...rest } = mount;
  const ordered: MountBody = { Type };
  if (Source !== undefined && Source !== "") ordered["Source"] = Source;
  ordered["Target"] = Target;
  if (ReadOnly === true) ordered["ReadOnly"] = true;
  if (Consistency !== undefined) ordered["Consistency"] = Consistency;
  return { ...ordered, ...rest };
}

export interface Volumes {
  readonly binds: readonly string[];
  /** Paths that get an anonymous volume. */
  readonly anonymous: readonly string[];
}

/** Sorts `-v` values into binds and anonymous volumes; `./x` and `../x` become absolute, `~` is the shell's business. */
export function parseVolumes(values: readonly string[], workingDirectory: string): Volumes {
  const binds: string[] = [];
  const anonymous: string[] = [];
  for (const value of values) {
    if (value === "") throw new Error("invalid empty volume spec");
    const parts = value.split(":");
    if (parts.length === 1) {
      anonymous.push(value);
      continue;
    }
    if (parts.some((part) => part === ""))
      throw new Error(`invalid spec: ${value}: empty section between colons`);
    if (parts.length > 3) throw new Error(`invalid spec: ${value}: too many colons`);
    const [source = "", ...rest] = parts;
    const relative = source === "." || source === ".." || source.startsWith("./") || source.startsWith("../");
    binds.push([relative ? absolutePath(workingDirectory, source) : source, ...rest].join(":"));
  }
  return { binds: [...new Set(binds)], anonymous };
}

/** `PATH[:OPTIONS]` → path and options. */
export function parseTmpfs(value: string): [string, string] {
  const cut = value.indexOf(":");
  return cut < 0 ? [value, ""] : [value.slice(0, cut), value.slice(cut + 1)];
}
