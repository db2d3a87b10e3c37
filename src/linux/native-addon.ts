/**
 * The native part, loaded: the Node-API addon (native/addon) in this process, and `gantry-shim tree` as a child. Errors of
 * the kernel come as Node's own do: an Error with `code` ("ENOENT"), `errno`, `syscall` and `path`.
 */
import { endianness } from "node:os";
import { isAbsolute } from "node:path";
import process from "node:process";
import { fail } from "../base/errors.ts";
import { applyLayer } from "./apply-layer.ts";
import { copyTree, mergeLayer, shiftTree } from "./copy-tree.ts";
import { tryImageMount } from "./image-mount.ts";
import { packDiff, packRoot, treeChanges } from "./read-tree.ts";
import { type LoopAddon, packDatagrams, SocketLoop } from "./socket-loop.ts";
import { subvolume } from "./subvolumes.ts";
import type { Native, NativePaths, TreeUsage } from "./native.ts";

/** What the addon exports; it returns what it says here, but nobody checked that yet. */
interface Addon extends LoopAddon {
  sealedExecutable(path: string): unknown;
  lockFile(path: string): unknown;
  spreadChildren(path: string): unknown;
  startWriteback(fd: number, from: number, bytes: number): Promise<unknown>;
  netlink(protocol: number, namespace: number, bytes: Uint8Array): Promise<unknown>;
  netlinkSocket(protocol: number, namespace: number): Promise<unknown>;
  netlinkOver(socket: number, bytes: Uint8Array): Promise<unknown>;
  boundSocket(namespace: number, type: number, flags: number, address: Uint8Array): Promise<unknown>;
  writeNetSettings(namespace: number, text: Uint8Array): Promise<unknown>;
  pidfdOpen(pid: number): unknown;
  pidfdSignal(pidfd: number, signal: number): unknown;
  pidfdHasEnded(pidfd: number): unknown;
  pidfdGetfd(pidfd: number, number: number): unknown;
  closeFd(fd: number): unknown;
  memfd(name: string, bytes: Uint8Array): unknown;
  replaceProcess(
    fd: number,
    argv: readonly string[],
    env: readonly string[],
    keep: readonly number[],
    openFiles: number,
  ): unknown;
  peerCredentials(fd: number): unknown;
  sendDescriptors(fd: number, bytes: Uint8Array, fds: readonly number[]): unknown;
  connectUnixDatagram(name: string): unknown;
  unsentBytes(fd: number): unknown;
  removeTree(path: string): Promise<unknown>;
  /** `cancelled[0]` ≠ 0 stops it; the array must stay reachable until the promise is settled. */
  treeUsage(path: string, cancelled: Int32Array): Promise<unknown>;
  treeFingerprint(path: string, cancelled: Int32Array): Promise<unknown>;
  syncFilesystem(path: string): Promise<unknown>;
  hostPath(path: string, makes: number): Promise<unknown>;
  projectLimitsEnforced(directory: string): unknown;
  projectInodes(directory: string, project: number): unknown;
  limitProject(directory: string, project: number, bytes: number): unknown;
  projectOf(directory: string): unknown;
  joinProject(directory: string, project: number): unknown;
  sendDatagrams(fd: number, records: Uint8Array): unknown;
  connectSocket(
    like: number,
    isStream: number,
    address: string,
    port: number,
    timeoutMs: number,
  ): Promise<unknown>;
}

const FUNCTIONS = [
  "sealedExecutable",
  "lockFile",
  "spreadChildren",
  "startWriteback",
  "netlink",
  "netlinkSocket",
  "netlinkOver",
  "boundSocket",
  "writeNetSettings",
  "pidfdOpen",
  "pidfdSignal",
  "pidfdHasEnded",
  "pidfdGetfd",
  "closeFd",
  "memfd",
  "replaceProcess",
  "peerCredentials",
  "sendDescriptors",
  "connectUnixDatagram",
  "unsentBytes",
  "removeTree",
  "treeUsage",
  "treeFingerprint",
  "syncFilesystem",
  "hostPath",
  "projectLimitsEnforced",
  "projectInodes",
  "limitProject",
  "projectOf",
  "joinProject",
  "socketLoop",
  "watchSocket",
  "unwatchSocket",
  "sendDatagrams",
  "connectSocket",
] as const satisfies readonly (keyof Addon)[];

function isAddon(value: unknown): value is Addon {
  if (typeof value !== "object" || value === null) return false;
  const exported: ReadonlyMap<string, unknown> = new Map(Object.entries(value));
  return FUNCTIONS.every((name) => typeof exported.get(name) === "function");
}

function loadAddon(path: string): Addon {
  const module: { exports: unknown } = { exports: {} };
  try {
    process.dlopen(module, path);
  } catch (cause) {
    throw fail("internal", `cannot load the native addon "${path}"`, cause);
  }
  if (!isAddon(module.exports)) throw fail("internal", `"${path}" is not the addon of this version`);
  return module.exports;
}

function absolutePath(path: string): string {
  if (!isAbsolute(path)) throw fail("invalid_argument", `path "${path}" is not absolute`);
  if (path.includes("\0")) throw fail("invalid_argument", "a NUL byte is not allowed in a path");
  return path;
}

/** `@` begins an abstract one. */
function socketName(name: string): string {
  return name.startsWith("@") && !name.includes("\0") ? name : absolutePath(name);
}

function integer(what: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most)
    throw fail("invalid_argument", `${what} ${value} is not between ${least} and ${most}`);
  return value;
}

const MAX_INT = 2 ** 31 - 1;
const MAX_SIGNAL = 64;

/** 0 is what belongs to none: no limit is for all of that. */
function projectNumber(value: number): number {
  return integer("project", value, 1, MAX_INT);
}

function descriptor(value: unknown): number {
  if (typeof value !== "number") throw fail("internal", "the addon returned no descriptor");
  return value;
}

const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const AF_INET = 2;
const AF_INET6 = 10;

function namespaceOf(namespace: number | undefined): number {
  return namespace === undefined ? -1 : integer("namespace", namespace, 3, MAX_INT);
}

/** struct sockaddr_in, or sockaddr_in6 with scope 0: 4 or 16 bytes of address. */
function sockaddrOf(address: Uint8Array, port: number): Uint8Array {
  if (address.length !== 4 && address.length !== 16)
    throw fail("invalid_argument", `an address of ${address.length} bytes`);
  const bytes = Buffer.alloc(address.length === 4 ? 16 : 28);
  const family = address.length === 4 ? AF_INET : AF_INET6;
  if (endianness() === "LE") bytes.writeUInt16LE(family);
  else bytes.writeUInt16BE(family);
  bytes.writeUInt16BE(integer("port", port, 0, 65_535), 2);
  bytes.set(address, address.length === 4 ? 4 : 8);
  return bytes;
}

/** "net/ipv4/ip_forward", and nothing that climbs. */
function netSettingPath(name: string): string {
  if (!/^net\/[\w.@/:-]+$/.test(name) || name.split("/").some((part) => /^\.*$/.test(part)))
    throw fail("invalid_argument", `"${name}" is no setting of the network`);
  return `/proc/sys/${name}`;
}

function bytesOf(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw fail("internal", "the addon returned no bytes");
  return value;
}

function count(value: unknown): number {
  if (typeof value !== "number") throw fail("internal", "the addon returned no number");
  return value;
}

function credentials(value: unknown): { readonly pid: number; readonly uid: number } {
  const [pid, uid]: readonly unknown[] = Array.isArray(value) ? value : [];
  if (typeof pid !== "number" || typeof uid !== "number")
    throw fail("internal", "the addon returned no credentials");
  return { pid, uid };
}

function treeUsage(value: unknown): TreeUsage {
  if (
    typeof value !== "object" ||
    value === null ||
    !("sizeBytes" in value && typeof value.sizeBytes === "number") ||
    !("inodes" in value && typeof value.inodes === "number")
  )
    throw fail("internal", "the addon returned no usage");
  return { sizeBytes: value.sizeBytes, inodes: value.inodes };
}

function fingerprint(value: unknown): string {
  if (typeof value !== "string") throw fail("internal", "the addon returned no fingerprint");
  return value;
}

/** Calls `read` with a switch that the signal turns. */
async function cancellable(
  read: (cancelled: Int32Array) => Promise<unknown>,
  signal: AbortSignal,
): Promise<unknown> {
  signal.throwIfAborted();
  const cancelled = new Int32Array(new ArrayBuffer(4));
  const cancel = () => {
    cancelled[0] = 1;
  };
  signal.addEventListener("abort", cancel); // and so keeps `cancelled` alive as long as the thread may look at it
  try {
    return await read(cancelled);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}

/** Loads the addon; `internal` when it is missing or of another version. */
export function loadNative(paths: NativePaths): Native {
  const addon = loadAddon(absolutePath(paths.addon));
  const shim = absolutePath(paths.shim);
  const sockets = new SocketLoop(addon);
  return {
    sealedExecutable: (path) => descriptor(addon.sealedExecutable(absolutePath(path))),

    lockFile(path) {
      const fd = addon.lockFile(absolutePath(path));
      return fd === undefined ? undefined : descriptor(fd);
    },

    spreadChildren: (path) => addon.spreadChildren(absolutePath(path)) === true,

    async startWriteback(fd, from, bytes) {
      await addon.startWriteback(
        integer("descriptor", fd, 3, MAX_INT),
        integer("offset", from, 0, Number.MAX_SAFE_INTEGER),
        integer("length", bytes, 0, Number.MAX_SAFE_INTEGER),
      );
    },

    async netlink(protocol, namespace, bytes) {
      return bytesOf(await addon.netlink(protocol, namespaceOf(namespace), bytes));
    },

    async netlinkSocket(protocol, namespace) {
      return descriptor(await addon.netlinkSocket(protocol, namespaceOf(namespace)));
    },

    async netlinkOver(socket, bytes) {
      return bytesOf(await addon.netlinkOver(integer("descriptor", socket, 3, MAX_INT), bytes));
    },

    async boundSocket(namespace, { type, address, port, listen = false, freeBind = false }) {
      const kind = type === "tcp" ? SOCK_STREAM : SOCK_DGRAM;
      const flags = (listen ? 1 : 0) | 2 | (freeBind ? 4 : 0);
      return descriptor(
        await addon.boundSocket(namespaceOf(namespace), kind, flags, sockaddrOf(address, port)),
      );
    },

    async writeNetSettings(namespace, settings) {
      const words = settings.flatMap(([path, value]) => [netSettingPath(path), value]);
      if (words.some((word) => word.includes("\0")))
        throw fail("invalid_argument", "a NUL byte is not allowed in a setting");
      if (words.length === 0) return;
      await addon.writeNetSettings(
        namespaceOf(namespace),
        Buffer.from(words.map((word) => `${word}\0`).join("")),
      );
    },

    pidfdOpen: (pid) => descriptor(addon.pidfdOpen(integer("process id", pid, 1, MAX_INT))),

    pidfdSignal(pidfd, signal) {
      addon.pidfdSignal(integer("descriptor", pidfd, 3, MAX_INT), integer("signal", signal, 0, MAX_SIGNAL));
    },

    pidfdHasEnded: (pidfd) => addon.pidfdHasEnded(integer("descriptor", pidfd, 3, MAX_INT)) === 1,

    pidfdGetfd: (pidfd, number) =>
      descriptor(
        addon.pidfdGetfd(integer("descriptor", pidfd, 3, MAX_INT), integer("descriptor", number, 0, MAX_INT)),
      ),

    closeFd(fd) {
      addon.closeFd(integer("descriptor", fd, 3, MAX_INT)); // never the standard streams
    },

    memfd: (name, bytes) => descriptor(addon.memfd(name, bytes)),

    replaceProcess({ executable, argv, env, keep, openFiles = -1 }) {
      addon.replaceProcess(
        integer("descriptor", executable, 3, MAX_INT),
        argv,
        env,
        keep.map((fd) => integer("descriptor", fd, 3, MAX_INT)),
        integer("limit", openFiles, -1, MAX_INT),
      );
      throw fail("internal", "the addon came back from the program that was to replace this one");
    },

    peerCredentials: (fd) => credentials(addon.peerCredentials(integer("descriptor", fd, 3, MAX_INT))),

    sendDescriptors(fd, bytes, fds) {
      addon.sendDescriptors(
        integer("descriptor", fd, 3, MAX_INT),
        bytes,
        fds.map((each) => integer("descriptor", each, 3, MAX_INT)),
      );
    },

    watchDatagrams(fd, reader) {
      sockets.watch({ kind: "datagrams", fd: integer("descriptor", fd, 3, MAX_INT), reader });
    },

    watchConnection(fd, reader) {
      sockets.watch({ kind: "connection", fd: integer("descriptor", fd, 3, MAX_INT), reader });
    },

    unwatch: (fd) => sockets.unwatch(fd),

    sendDatagrams: (fd, datagrams) =>
      count(addon.sendDatagrams(integer("descriptor", fd, 3, MAX_INT), packDatagrams(datagrams))),

    async connectSocket({ transport, like, address, port, timeoutMs }) {
      return descriptor(
        await addon.connectSocket(
          like === undefined ? -1 : integer("descriptor", like, 3, MAX_INT),
          transport === "tcp" ? 1 : 0,
          address,
          integer("port", port, 1, 65_535),
          integer("time-out", timeoutMs, 1, 600_000),
        ),
      );
    },

    connectUnixDatagram: (name) => descriptor(addon.connectUnixDatagram(socketName(name))),

    unsentBytes: (fd) => descriptor(addon.unsentBytes(integer("descriptor", fd, 3, MAX_INT))),

    async removeTree(path) {
      await addon.removeTree(absolutePath(path));
    },

    treeUsage: async (path, signal) =>
      treeUsage(await cancellable((stop) => addon.treeUsage(absolutePath(path), stop), signal)),

    treeFingerprint: async (path, signal) =>
      fingerprint(await cancellable((stop) => addon.treeFingerprint(absolutePath(path), stop), signal)),

    async hostPath(path, makes) {
      const mode = await addon.hostPath(absolutePath(path), makes ? 1 : 0);
      if (typeof mode !== "number") throw fail("internal", "the addon returned no mode");
      return mode;
    },

    enforcesProjectLimits: (directory) => addon.projectLimitsEnforced(absolutePath(directory)) === 1,

    projectInodes: (directory, project) =>
      count(addon.projectInodes(absolutePath(directory), projectNumber(project))),

    limitProject(directory, project, bytes) {
      const limit = integer("limit", bytes, 0, Number.MAX_SAFE_INTEGER);
      addon.limitProject(absolutePath(directory), projectNumber(project), limit);
    },

    projectOf: (directory) => count(addon.projectOf(absolutePath(directory))),

    joinProject(directory, project) {
      addon.joinProject(absolutePath(directory), projectNumber(project));
    },

    async syncFilesystem(path) {
      await addon.syncFilesystem(absolutePath(path));
    },

    shiftTree: (from, to, maps) => shiftTree(shim, absolutePath(from), absolutePath(to), maps),

    copyTree: (from, to) => copyTree(shim, absolutePath(from), absolutePath(to)),

    mergeLayer: (layer, to) => mergeLayer(shim, absolutePath(layer), absolutePath(to)),

    createSubvolume: (path) => subvolume(shim, "create", absolutePath(path)),

    snapshotSubvolume: (from, to) => subvolume(shim, "snapshot", absolutePath(from), absolutePath(to)),

    deleteSubvolume: (path) => subvolume(shim, "delete", absolutePath(path)),

    applyLayer: (directory, tar, signal) => applyLayer(shim, "apply", absolutePath(directory), tar, signal),

    applyLayerImage: (directory, tar, signal) =>
      applyLayer(shim, "image", absolutePath(directory), tar, signal),

    tryImageMount: (path) => tryImageMount(shim, absolutePath(path)),

    packRoot: (tree, ids, signal) => packRoot(shim, tree, ids, signal),
    packDiff: (difference, signal) => packDiff(shim, difference, signal),
    treeChanges: (difference, signal) => treeChanges(shim, difference, signal),
  };
}
