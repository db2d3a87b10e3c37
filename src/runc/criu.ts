/** Command lines of criu(8): what runc tells it over its socket, option by option. Pure. */
import { fail } from "../base/errors.ts";
import { type CgroupDir } from "../linux/cgroup-paths.ts";
import type { NamespaceType, Spec } from "../specs/oci-runtime/spec.ts";
import type { PlanOp } from "../runtime/plan.ts";
import type { Flag, Flags } from "./flags.ts";

export const CRIU_FLAGS: readonly Flag[] = [
  { names: ["image-path"], kind: "text", help: "directory of the images (default: ./checkpoint)" },
  {
    names: ["work-path"],
    kind: "text",
    help: "directory of logs and statistics (default: that of the images)",
  },
  { names: ["tcp-established"], kind: "switch", help: "open TCP connections, too" },
  { names: ["ext-unix-sk"], kind: "switch", help: "Unix sockets whose other end is outside, too" },
  { names: ["shell-job"], kind: "switch", help: "processes of a session that began outside, too" },
  { names: ["file-locks"], kind: "switch", help: "file locks, too: nobody else may hold them" },
  { names: ["manage-cgroups-mode"], kind: "text", help: '"soft" (default), "full", "strict" or "ignore"' },
  { names: ["empty-ns"], kind: "list", help: 'leave out what is in this namespace; "network" alone' },
  {
    names: ["auto-dedup"],
    kind: "switch",
    help: "memory that a later image has is taken out of the earlier one",
  },
  { names: ["lazy-pages"], kind: "switch", refused: "memory is always there when the container goes on" },
];

/** Those that criu's command line has under another name, or the same. */
const SWITCHES = [
  ["tcp-established", "--tcp-established"],
  ["tcp-skip-in-flight", "--skip-in-flight"],
  ["link-remap", "--link-remap"],
  ["ext-unix-sk", "--ext-unix-sk"],
  ["shell-job", "--shell-job"],
  ["file-locks", "--file-locks"],
  ["auto-dedup", "--auto-dedup"],
  ["leave-running", "--leave-running"],
] as const;

/** The annotation by which a bundle names criu's configuration file; "" = none. As with runc. */
const CONFIG_ANNOTATION = "org.criu.config";
export const DEFAULT_CONFIG = "/etc/criu/runc.conf";

/** In the working directory. */
export const DUMP_LOG = "dump.log";
export const RESTORE_LOG = "restore.log";

export interface CriuPlaces {
  /** Absolute. */
  readonly images: string;
  readonly work: string;
}

export interface CriuContainer extends CriuPlaces {
  readonly spec: Spec;
  /** Of the container's start. */
  readonly ops: readonly PlanOp[];
  /** Of the container. */
  readonly cgroups: readonly CgroupDir[];
  /** Whether DEFAULT_CONFIG is there. */
  readonly hasDefaultConfig: boolean;
}

export interface DumpFacts extends CriuContainer {
  readonly pid: number;
  readonly rootfs: string;
  /** "" without one. */
  readonly freezer: string;
  /** As `foreignStreams` names them. */
  readonly streams: readonly string[];
  /** Mount points at which a file has been masked; others that a plan masks are directories, or not there. */
  readonly maskedFiles: ReadonlySet<string>;
  /** Inodes of the namespaces that the container has by path. */
  readonly inodeOf: (path: string) => bigint;
}

export interface RestoreFacts extends CriuContainer {
  /** Where the root is mounted. */
  readonly root: string;
  readonly pidFile: string;
  readonly streams: readonly string[];
  /** Below the hierarchies' roots. */
  readonly cgroupPath: string;
}

/** Behind "criu". Throws `invalid_argument` for a flag's value, `not_implemented` for what criu cannot store. */
export function dumpWords(flags: Flags, facts: DumpFacts): string[] {
  const isPreDump = flags.isOn("pre-dump");
  return [
    isPreDump ? "pre-dump" : "dump",
    ...commonWords(flags, facts, DUMP_LOG),
    ...pair("--tree", String(facts.pid)),
    ...pair("--root", facts.rootfs),
    ...(facts.freezer === "" ? [] : pair("--freeze-cgroup", facts.freezer)),
    ...parentWords(flags),
    ...pageServerWords(flags.text("page-server")),
    ...facts.cgroups.flatMap(({ controllers }) =>
      controllers.flatMap((name) => pair("--cgroup-dump-controller", name)),
    ),
    ...inheritedNamespaces(facts.spec).flatMap(({ short, key, path }) =>
      pair("--external", `${short}[${facts.inodeOf(path)}]:${key}`),
    ),
    ...(isPreDump ? [] : dumpedMounts(facts)),
    ...[...new Set(facts.streams)]
      .filter((name) => /^(file|tty)\[/.test(name))
      .flatMap((name) => pair("--external", name)),
  ];
}

/** Behind "criu". The namespaces that are inherited must be descriptors from 3 up, in the order of `inheritedNamespaces`. */
export function restoreWords(flags: Flags, facts: RestoreFacts): string[] {
  return [
    "restore",
    ...commonWords(flags, facts, RESTORE_LOG),
    "--restore-detached",
    "--restore-sibling",
    "--evasive-devices",
    // The newer way copies a bind mount's propagation from its source, which must be a mount point then: criu before 3.18.
    "--mntns-compat-mode",
    ...pair("--pidfile", facts.pidFile),
    ...pair("--root", facts.root),
    ...cgroupRoots(facts),
    ...value("--lsm-profile", flags.text("lsm-profile")),
    ...value("--lsm-mount-context", flags.text("lsm-mount-context")),
    ...inheritedNamespaces(facts.spec).flatMap(({ key }, index) =>
      pair("--inherit-fd", `fd[${FIRST_INHERITED + index}]:${key}`),
    ),
    ...joinedNamespaces(facts.spec).flatMap(({ short, path }) => pair("--join-ns", `${short}:${path}`)),
    ...restoredMounts(facts.ops),
    ...facts.streams.flatMap((name, fd) => (name === "" ? [] : pair("--inherit-fd", `fd[${fd}]:${name}`))),
  ];
}

const FIRST_INHERITED = 3;
const MODES = ["soft", "full", "strict", "ignore"];

function commonWords(flags: Flags, facts: CriuContainer, log: string): string[] {
  const mode = flags.text("manage-cgroups-mode") || "soft";
  if (!MODES.includes(mode)) throw fail("invalid_argument", "invalid manage-cgroups-mode value");
  return [
    ...configWords(facts),
    ...pair("--images-dir", facts.images),
    ...pair("--work-dir", facts.work),
    ...pair("--log-file", log),
    "-v4",
    `--manage-cgroups=${mode}`,
    ...SWITCHES.flatMap(([ours, theirs]) => (flags.isOn(ours) ? [theirs] : [])),
    ...flags.list("empty-ns").flatMap(emptyNamespace),
  ];
}

function configWords({ spec, hasDefaultConfig }: CriuContainer): string[] {
  const named = spec.annotations?.[CONFIG_ANNOTATION];
  return value("--config", named ?? (hasDefaultConfig ? DEFAULT_CONFIG : ""));
}

function emptyNamespace(type: string): string[] {
  if (type !== "network")
    throw fail("invalid_argument", `--empty-ns: namespace ${JSON.stringify(type)} is not supported`);
  return pair("--empty-ns", "net");
}

/** Relative to the directory of the images, where criu makes a link of it. */
function parentWords(flags: Flags): string[] {
  const parent = flags.text("parent-path");
  if (parent.startsWith("/"))
    throw fail("invalid_argument", "--parent-path must be relative to --image-path");
  return parent === "" ? [] : [...pair("--prev-images-dir", parent), "--track-mem"];
}

function pageServerWords(server: string): string[] {
  if (server === "") return [];
  const [, address = "", port = ""] = /^\[?([^\]]+)\]?:(\d{1,5})$/.exec(server) ?? [];
  if (address === "" || Number(port) < 1 || Number(port) > 65_535)
    throw fail("invalid_argument", `--page-server is ADDRESS:PORT, not ${JSON.stringify(server)}`);
  return ["--page-server", ...pair("--address", address), ...pair("--port", port)];
}

// ---- namespaces ----

export interface NamedNamespace {
  readonly short: string;
  readonly key: string;
  readonly path: string;
  readonly type: NamespaceType;
}

/** runc's keys, so that either can restore what the other has stored. */
const INHERITED: Readonly<Partial<Record<NamespaceType, readonly [short: string, key: string]>>> = {
  network: ["net", "extRootNetNS"],
  pid: ["pid", "extRootPidNS"],
};
const JOINED: Readonly<Partial<Record<NamespaceType, string>>> = { ipc: "ipc", uts: "uts", time: "time" };

/** Those by path that criu leaves alone and gets as descriptors; network first. */
export function inheritedNamespaces(spec: Spec): NamedNamespace[] {
  return byPath(spec)
    .flatMap(({ type, path }) => {
      const [short, key] = INHERITED[type] ?? [];
      return short === undefined || key === undefined ? [] : [{ type, path, short, key }];
    })
    .toSorted((a, b) => a.short.localeCompare(b.short));
}

/** Those by path whose contents criu stores, and that it enters by itself. Throws `not_implemented`. */
export function joinedNamespaces(spec: Spec): { readonly short: string; readonly path: string }[] {
  return byPath(spec).flatMap(({ type, path }) => {
    if (INHERITED[type] !== undefined) return [];
    const short = JOINED[type];
    if (short === undefined)
      throw fail("not_implemented", `a ${type} namespace that is given by its path cannot be restored`);
    return [{ short, path }];
  });
}

function byPath(spec: Spec): { readonly type: NamespaceType; readonly path: string }[] {
  return (spec.linux?.namespaces ?? []).flatMap(({ type, path = "", gantryHost }) =>
    path === "" || gantryHost === true ? [] : [{ type, path }],
  );
}

// ---- mounts and cgroups ----

const NULL_DEVICE = "/dev/null";

/** A masked file is a bind of the host's null device; a masked directory is a filesystem of the container's own. */
function dumpedMounts({ ops, maskedFiles }: DumpFacts): string[] {
  return ops.flatMap((op) => {
    if (op.kind === "bind") return pair("--external", `mnt[${slashed(op.target)}]:${slashed(op.target)}`);
    return op.kind === "mask" && maskedFiles.has(slashed(op.path))
      ? pair("--external", `mnt[${slashed(op.path)}]:${NULL_DEVICE}`)
      : [];
  });
}

function restoredMounts(ops: readonly PlanOp[]): string[] {
  const binds = ops.flatMap((op) =>
    op.kind === "bind" ? pair("--external", `mnt[${slashed(op.target)}]:${op.source}`) : [],
  );
  return ops.some(({ kind }) => kind === "mask")
    ? [...binds, ...pair("--external", `mnt[${NULL_DEVICE}]:${NULL_DEVICE}`)]
    : binds;
}

function slashed(path: string): string {
  return path.startsWith("/") ? path : `/${path}`;
}

/** The container may have another cgroup than the one that was stored. */
function cgroupRoots({ cgroups, cgroupPath }: RestoreFacts): string[] {
  return cgroups.flatMap(({ controllers }) =>
    pair("--cgroup-root", controllers.length === 0 ? cgroupPath : `${controllers.join(",")}:${cgroupPath}`),
  );
}

function pair(name: string, text: string): string[] {
  return [name, text];
}

function value(name: string, text: string): string[] {
  return text === "" ? [] : pair(name, text);
}
