/**
 * What a user asked to have mounted: `-v src:dst[:options]`, Mounts entries and `--tmpfs`. Parsing is pure and happens at
 * create; host paths are looked at when the container starts. Wording as Docker's.
 */
import { mkdir, stat } from "node:fs/promises";
import { posix } from "node:path";
import { errnoOf, fail, type GantryError, messageOf } from "../../base/errors.ts";
import type { HostConfig, Mount, MountPoint } from "../../specs/engine/container.ts";
import type { ResolvedMount } from "./spec-input.ts";

export interface MountRequest {
  /** As inspect and list show it; tmpfs mounts of `--tmpfs` are not shown there. */
  readonly point: MountPoint | undefined;
  readonly mount: BindRequest | TmpfsRequest;
}

interface BindRequest {
  readonly kind: "bind";
  readonly source: string;
  readonly destination: string;
  readonly readOnly: boolean;
  readonly recursiveReadOnly: boolean;
  readonly recursive: boolean;
  readonly propagation: string;
  /** `-v` makes a missing source directory; `--mount` refuses. */
  readonly createSource: boolean;
}

interface TmpfsRequest {
  readonly kind: "tmpfs";
  readonly destination: string;
  readonly options: readonly string[];
}

const PROPAGATIONS = ["private", "rprivate", "slave", "rslave", "shared", "rshared"];
const CONSISTENCIES = ["consistent", "cached", "delegated", "default"];
const DEFAULT_TMPFS_OPTIONS = ["noexec", "nosuid", "nodev"];

/** Throws `invalid_argument` for malformed ones, `not_implemented` for volumes. */
export function parseMounts(host: HostConfig): readonly MountRequest[] {
  const requests = [
    ...(host.Binds ?? []).map(parseBind),
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

function parseBind(text: string): MountRequest {
  const invalid = (why?: string): GantryError =>
    fail("invalid_argument", `invalid volume specification: '${text}'${why === undefined ? "" : `: ${why}`}`);
  const parts = text.split(":");
  const [source = "", destination = "", options = ""] = parts;
  if (parts.length > 3 || source === "" || (parts.length > 1 && destination === "")) throw invalid();
  if (parts.length === 1) {
    checkTarget(source, "volume", invalid);
    throw fail("not_implemented", `anonymous volumes are not supported by this engine yet: '${text}'`);
  }
  if (parts.length === 2 && parseBindOptions(destination) !== undefined) throw invalid();
  const parsed = parseBindOptions(options);
  if (parsed === undefined) throw fail("invalid_argument", `invalid mode: ${options}`);
  const target = checkTarget(destination, source.startsWith("/") ? "bind" : "volume", invalid);
  if (!source.startsWith("/")) {
    if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(source))
      throw fail(
        "invalid_argument",
        `create ${source}: "${source}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
      );
    throw fail("not_implemented", `named volumes are not supported by this engine yet: '${text}'`);
  }
  const path = cleanPath(source);
  return {
    point: {
      Type: "bind",
      Source: path,
      Destination: target,
      Mode: options,
      RW: !parsed.readOnly,
      Propagation: parsed.propagation,
    },
    mount: {
      kind: "bind",
      source: path,
      destination: target,
      readOnly: parsed.readOnly,
      recursiveReadOnly: parsed.readOnly,
      recursive: true,
      propagation: parsed.propagation,
      createSource: true,
    },
  };
}

/** Undefined when it is not a list of options, each kind at most once. */
function parseBindOptions(
  text: string,
): { readonly readOnly: boolean; readonly propagation: string } | undefined {
  let access: string | undefined;
  let propagation: string | undefined;
  let label: string | undefined;
  let consistency: string | undefined;
  for (const option of text === "" ? [] : text.split(",")) {
    if (option === "ro" || option === "rw") {
      if (access !== undefined) return undefined;
      access = option;
    } else if (PROPAGATIONS.includes(option)) {
      if (propagation !== undefined) return undefined;
      propagation = option;
    } else if (option === "z" || option === "Z") {
      if (label !== undefined) return undefined;
      label = option;
    } else if (CONSISTENCIES.includes(option)) {
      if (consistency !== undefined) return undefined;
      consistency = option;
    } else return undefined;
  }
  return { readOnly: access === "ro", propagation: propagation ?? "rprivate" };
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
  const source = cleanPath(entry.Source);
  return {
    point: {
      Type: "bind",
      Source: source,
      Destination: target,
      Mode: "",
      RW: !entry.ReadOnly,
      Propagation: propagation,
    },
    mount: {
      kind: "bind",
      source,
      destination: target,
      readOnly: entry.ReadOnly,
      recursiveReadOnly: entry.ReadOnly && options?.ReadOnlyNonRecursive !== true,
      recursive: options?.NonRecursive !== true,
      propagation,
      createSource: options?.CreateMountpoint === true,
    },
  };
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

const FLAG_PAIRS: readonly (readonly [string, string])[] = [
  ["rw", "ro"],
  ["exec", "noexec"],
  ["suid", "nosuid"],
  ["dev", "nodev"],
  ["async", "sync"],
  ["atime", "noatime"],
  ["diratime", "nodiratime"],
  ["relatime", "norelatime"],
  ["strictatime", "nostrictatime"],
];

/** Adds one option; it replaces its opposite, or an earlier value of its own. */
function addTmpfsOption(options: string[], option: string, invalid: () => GantryError): void {
  const pair = FLAG_PAIRS.find(([on, off]) => on === option || off === option);
  const key = /^(size|mode|uid|gid|nr_inodes|nr_blocks|mpol)=[^\0]+$/.exec(option)?.[1];
  if (pair === undefined && key === undefined) throw invalid();
  const isOther = (present: string): boolean =>
    pair === undefined ? present.startsWith(`${key}=`) : pair[0] === present || pair[1] === present;
  const at = options.findIndex(isOther);
  if (at >= 0) options.splice(at, 1);
  options.push(option);
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

function cleanPath(path: string): string {
  const clean = posix.normalize(path);
  return clean.length > 1 && clean.endsWith("/") ? clean.slice(0, -1) : clean;
}

/** Checks `--mount` sources at create, as Docker does. Throws `invalid_argument` for one that is missing. */
export async function checkBindSources(requests: readonly MountRequest[]): Promise<void> {
  for (const { mount } of requests) {
    if (mount.kind !== "bind" || mount.createSource) continue;
    await statSource(mount.source);
  }
}

async function statSource(path: string): Promise<{ readonly isDirectory: boolean }> {
  try {
    return { isDirectory: (await stat(path)).isDirectory() };
  } catch (cause) {
    if (errnoOf(cause) === "ENOENT")
      throw fail(
        "invalid_argument",
        `invalid mount config for type "bind": bind source path does not exist: ${path}`,
        cause,
      );
    throw fail("internal", `cannot look at bind source "${path}": ${messageOf(cause)}`, cause);
  }
}

/** Looks at the host paths, makes missing sources of `-v`. Parents come before what is mounted inside them. */
export async function resolveMounts(requests: readonly MountRequest[]): Promise<readonly ResolvedMount[]> {
  const resolved: ResolvedMount[] = [];
  for (const { mount } of requests) {
    if (mount.kind === "tmpfs") {
      resolved.push(mount);
      continue;
    }
    const { createSource, ...bind } = mount;
    if (createSource) await makeSource(mount.source);
    resolved.push({ ...bind, isDirectory: (await statSource(mount.source)).isDirectory });
  }
  return resolved.sort((a, b) => depthOf(a.destination) - depthOf(b.destination));
}

async function makeSource(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o755 });
  } catch (cause) {
    if (errnoOf(cause) === "EEXIST") return;
    throw fail("internal", `error while creating mount source path '${path}': ${messageOf(cause)}`, cause);
  }
}

function depthOf(path: string): number {
  return path.split("/").length;
}
