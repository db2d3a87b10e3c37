/**
 * What a user asked to have mounted: `-v src:dst[:options]`, Mounts entries and `--tmpfs`. Pure; wording as Docker's. What
 * images and other containers add to it: `plan-mounts.ts`.
 */
import { posix } from "node:path";
import { fail, type GantryError } from "../../base/errors.ts";
import type { HostConfig, Mount } from "../../specs/engine/container.ts";
import type { BindRequest, MountRequest, VolumeRequest } from "./mount-request.ts";
import { addTmpfsOption, DEFAULT_TMPFS_OPTIONS } from "./tmpfs-options.ts";

const PROPAGATIONS = ["private", "rprivate", "slave", "rslave", "shared", "rshared"];
const CONSISTENCIES = ["consistent", "cached", "delegated", "default"];

/** Throws `invalid_argument` for malformed ones, `not_implemented` for kinds that are not offered. */
export function parseMounts(host: HostConfig): readonly MountRequest[] {
  const requests = [
    ...(host.Binds ?? []).map((text) => parseBind(text, host.VolumeDriver)),
    ...(host.Mounts ?? []).map(parseMount),
    ...Object.entries(host.Tmpfs ?? {}).map(([path, options]) => parseTmpfs(path, options)),
  ];
  const seen = new Set<string>();
  for (const { mount } of requests) {
    if (seen.has(mount.destination))
      throw fail("invalid_argument", `Duplicate mount point: ${mount.destination}`);
    seen.add(mount.destination);
  }
  return requests;
}

function parseBind(text: string, volumeDriver: string): MountRequest {
  const invalid = (why?: string): GantryError =>
    fail("invalid_argument", `invalid volume specification: '${text}'${why === undefined ? "" : `: ${why}`}`);
  const parts = text.split(":");
  const [source = "", destination = "", mode = ""] = parts;
  if (parts.length > 3 || source === "" || (parts.length > 1 && destination === "")) throw invalid();
  if (parts.length === 1)
    return volumeRequest({ destination: checkTarget(source, "volume", invalid), driver: volumeDriver });
  if (parts.length === 2 && parseMode(destination) !== undefined) throw invalid();
  const parsed = parseMode(mode);
  if (parsed === undefined) throw fail("invalid_argument", `invalid mode: ${mode}`);
  const { readOnly, noCopy, propagation } = parsed;
  const isBind = source.startsWith("/");
  const target = checkTarget(destination, isBind ? "bind" : "volume", invalid);
  const refuse = (type: string, field: string): never => {
    throw invalid(`invalid mount config for type "${type}": field ${field} must not be specified`);
  };
  if (!isBind) {
    if (propagation !== undefined) refuse("volume", "BindOptions");
    return volumeRequest({
      name: source,
      destination: target,
      mode: mode === "" ? "z" : mode,
      readOnly,
      noCopy,
      driver: volumeDriver,
    });
  }
  if (parsed.hasCopyMode) refuse("bind", "VolumeOptions");
  const path = cleanPath(source);
  return bindRequest({
    source: path,
    destination: target,
    mode,
    readOnly,
    recursiveReadOnly: readOnly,
    recursive: true,
    propagation: propagation ?? "rprivate",
    createSource: true,
  });
}

type BindFields = Omit<BindRequest, "kind"> & { readonly mode: string };

function bindRequest({ mode, ...bind }: BindFields): MountRequest {
  return {
    point: {
      Type: "bind",
      Source: bind.source,
      Destination: bind.destination,
      Mode: mode,
      RW: !bind.readOnly,
      Propagation: bind.propagation,
    },
    mount: { kind: "bind", ...bind },
  };
}

type VolumeFields = Partial<Omit<VolumeRequest, "kind">> &
  Pick<VolumeRequest, "destination"> & { readonly mode?: string };

/** Names and places of the volume on the host are added when it is there. */
export function volumeRequest({ mode = "", ...fields }: VolumeFields): MountRequest {
  const mount: VolumeRequest = {
    kind: "volume",
    name: "",
    isAnonymous: (fields.name ?? "") === "",
    readOnly: false,
    noCopy: false,
    subpath: "",
    driver: "",
    labels: null,
    options: null,
    ...fields,
  };
  const { name, destination, readOnly } = mount;
  const point = { Type: "volume", Name: name, Source: "", Destination: destination, Driver: "" } as const;
  return { point: { ...point, Mode: mode, RW: !readOnly, Propagation: "" }, mount };
}

interface Mode {
  readonly readOnly: boolean;
  readonly propagation: string | undefined;
  readonly noCopy: boolean;
  readonly hasCopyMode: boolean;
}

const MODES: readonly (readonly string[])[] = [
  ["ro", "rw"],
  PROPAGATIONS,
  ["z", "Z"],
  ["nocopy", "copy"],
  CONSISTENCIES,
];

/** Undefined when it is not a list of options, each kind at most once. Labels mean nothing without SELinux. */
export function parseMode(text: string): Mode | undefined {
  const found = new Map<readonly string[], string>();
  for (const option of text === "" ? [] : text.split(",")) {
    const kind = MODES.find((options) => options.includes(option));
    if (kind === undefined || found.has(kind)) return undefined;
    found.set(kind, option);
  }
  const options = [...found.values()];
  return {
    readOnly: options.includes("ro"),
    propagation: found.get(PROPAGATIONS),
    noCopy: options.includes("nocopy"),
    hasCopyMode: options.includes("nocopy") || options.includes("copy"),
  };
}

function parseMount(entry: Mount): MountRequest {
  const invalid = (why?: string): GantryError =>
    fail(
      "invalid_argument",
      `invalid mount config for type "${entry.Type}": ${why ?? "invalid specification"}`,
    );
  if (entry.Target === "") throw invalid("field Target must not be empty");
  const target = checkTarget(entry.Target, undefined, invalid);
  if (entry.Type === "bind") return parseBindMount(entry, target, invalid);
  if (entry.Type === "tmpfs") return parseTmpfsMount(entry, target, invalid);
  if (entry.Type === "volume") return parseVolumeMount(entry, target, invalid);
  if (entry.Type === "image") return parseImageMount(entry, target, invalid);
  throw fail("not_implemented", `mounts of type "${entry.Type}" are not supported by this engine yet`);
}

function parseBindMount(entry: Mount, target: string, invalid: (why?: string) => GantryError): MountRequest {
  const options = entry.BindOptions;
  if (entry.Source === "") throw invalid("field Source must not be empty");
  if (!entry.Source.startsWith("/"))
    throw invalid(`invalid mount path: '${entry.Source}' mount path must be absolute`);
  const propagation = options?.Propagation || "rprivate";
  if (!PROPAGATIONS.includes(propagation)) throw invalid(`invalid propagation mode: ${propagation}`);
  if (options?.ReadOnlyForceRecursive && options.ReadOnlyNonRecursive)
    throw invalid("ReadOnlyForceRecursive and ReadOnlyNonRecursive must not be used together");
  return bindRequest({
    source: cleanPath(entry.Source),
    destination: target,
    mode: "",
    readOnly: entry.ReadOnly,
    recursiveReadOnly: entry.ReadOnly && options?.ReadOnlyNonRecursive !== true,
    recursive: options?.NonRecursive !== true,
    propagation,
    createSource: options?.CreateMountpoint === true,
  });
}

function parseVolumeMount(
  entry: Mount,
  target: string,
  invalid: (why?: string) => GantryError,
): MountRequest {
  const { Source: name, ReadOnly: readOnly } = entry;
  const { NoCopy = false, Labels = null, DriverConfig = null, Subpath = "" } = entry.VolumeOptions ?? {};
  if (Subpath !== "" && name === "") throw invalid("must not set Subpath when using anonymous volumes");
  if (Subpath !== "" && !isLocal(Subpath)) throw invalid("subpath must be a relative path within the volume");
  if (readOnly && name === "") throw invalid("must not set ReadOnly mode when using anonymous volumes");
  return volumeRequest({
    name,
    destination: target,
    mode: "z",
    readOnly,
    noCopy: NoCopy,
    subpath: Subpath,
    driver: DriverConfig?.Name ?? "",
    labels: Labels,
    options: DriverConfig?.Options ?? null,
  });
}

/** Read-only, whatever `ReadOnly` says. */
function parseImageMount(entry: Mount, target: string, invalid: (why?: string) => GantryError): MountRequest {
  if (entry.Source === "") throw invalid("field Source must not be empty");
  const subpath = entry.ImageOptions?.Subpath ?? "";
  if (subpath !== "" && !isLocal(subpath)) throw invalid("subpath must be a relative path within the volume");
  return {
    point: {
      Type: "image",
      Name: entry.Source,
      Source: "",
      Destination: target,
      Mode: "",
      RW: false,
      Propagation: "rprivate",
    },
    mount: {
      kind: "image",
      name: entry.Source,
      destination: target,
      subpath,
      image: "",
      layer: "",
      snapshot: "",
    },
  };
}

/** By its words alone; where links lead is seen when it is mounted. */
function isLocal(path: string): boolean {
  return !path.startsWith("/") && !path.includes("\0") && !/^\.\.(?:\/|$)/.test(posix.normalize(path));
}

function parseTmpfsMount(entry: Mount, target: string, invalid: (why?: string) => GantryError): MountRequest {
  if (entry.Source !== "") throw invalid("field Source must not be specified");
  const options = [...DEFAULT_TMPFS_OPTIONS];
  if (entry.ReadOnly) options.push("ro");
  const { SizeBytes = 0, Mode = 0, Options = null } = entry.TmpfsOptions ?? {};
  if (SizeBytes < 0 || Mode < 0 || Mode > 0o7777) throw invalid("invalid tmpfs size or mode");
  if (SizeBytes > 0) options.push(`size=${SizeBytes}`);
  if (Mode > 0) options.push(`mode=${Mode.toString(8)}`);
  for (const pair of Options ?? []) {
    if (pair.length !== 1 && pair.length !== 2) throw invalid("invalid option array length");
    addTmpfsOption(options, pair.join("="), invalid);
  }
  return {
    point: { Type: "tmpfs", Source: "", Destination: target, Mode: "", RW: !entry.ReadOnly, Propagation: "" },
    mount: { kind: "tmpfs", destination: target, options },
  };
}

function parseTmpfs(path: string, text: string): MountRequest {
  const invalid = (why?: string): GantryError => fail("invalid_argument", why ?? "invalid specification");
  const destination = checkTarget(path, undefined, invalid);
  const options = [...DEFAULT_TMPFS_OPTIONS];
  for (const option of text === "" ? [] : text.split(","))
    addTmpfsOption(options, option, () =>
      fail("invalid_argument", `Invalid tmpfs option [${JSON.stringify(option)}]`),
    );
  return { point: undefined, mount: { kind: "tmpfs", destination, options } };
}

function checkTarget(path: string, type: string | undefined, invalid: (why: string) => GantryError): string {
  const about = type === undefined ? "" : `invalid mount config for type "${type}": `;
  if (!path.startsWith("/"))
    throw invalid(`${about}invalid mount path: '${path}' mount path must be absolute`);
  if (path.includes("\0")) throw invalid(`${about}invalid mount path: it contains a NUL byte`);
  const clean = cleanPath(path);
  if (clean === "/") throw invalid(`${about}invalid specification: destination can't be '/'`);
  return clean;
}

export function cleanPath(path: string): string {
  const clean = posix.normalize(path);
  return clean.length > 1 && clean.endsWith("/") ? clean.slice(0, -1) : clean;
}
