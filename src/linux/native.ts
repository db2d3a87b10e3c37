/**
 * What the native part does for the daemon: the contract. `linux/native-addon.ts` implements it with the Node-API addon
 * and the `tree` role of gantry-shim; both are files next to the executable, found by the composition root.
 *
 * Everything here that touches a container's tree does it below a directory descriptor (openat2), never by path.
 */
import type { NativeSockets } from "./native-sockets.ts";

export interface NativePaths {
  /** The static gantry-shim. */
  readonly shim: string;
  /** The Node-API addon. */
  readonly addon: string;
}

export interface TreeUsage {
  readonly sizeBytes: number;
  readonly inodes: number;
}

/** A complete tree, to be read. */
export type TreeView =
  /** Layer directories as overlayfs shows them, topmost first; without any nothing is in it. */
  | { readonly kind: "overlay"; readonly layers: readonly string[] }
  | { readonly kind: "plain"; readonly directory: string };

/** For users and groups, lines of "id in the image, id on disk, count". */
export interface IdMapping {
  readonly uid: string;
  readonly gid: string;
}

/** Two trees to be compared. */
export interface TreeDifference {
  /** "upper": overlayfs's upper directory over `before`; what it does not mention is as it was. */
  readonly now: TreeView | { readonly kind: "upper"; readonly directory: string };
  readonly before: TreeView;
  /** When the files on the disk do not have the image's owners. */
  readonly ids?: IdMapping | undefined;
  /**
   * Relative paths where a runtime makes files and directories to mount on: left out as long as they are empty and there
   * was nothing before.
   */
  readonly mountpoints?: readonly string[];
}

export interface TreeChange {
  readonly kind: "added" | "changed" | "deleted";
  /** From the root: "/etc/hostname". Bytes that are no UTF-8 are replaced. */
  readonly path: string;
}

/** The program that this one becomes. */
export interface Replacement {
  /** Descriptor of it, as from `sealedExecutable`; need not be among `keep`. */
  readonly executable: number;
  readonly argv: readonly string[];
  /** "NAME=value" */
  readonly env: readonly string[];
  /** What it inherits besides the standard streams; every other descriptor is closed. */
  readonly keep: readonly number[];
  /** The soft limit of open files that it gets; undefined: this program's. */
  readonly openFiles?: number | undefined;
}

export interface SocketWish {
  readonly type: "tcp" | "udp";
  /** 4 or 16 bytes. */
  readonly address: Uint8Array;
  /** 0: any that is free. */
  readonly port: number;
  readonly listen?: boolean;
  /** Also an address that nobody has (yet). */
  readonly freeBind?: boolean;
}

export interface Native extends NativeSockets {
  /**
   * A sealed in-memory copy of an executable, as a descriptor that stays open (close-on-exec) for the daemon's life. A
   * process started from it cannot be used to overwrite anything, and all processes share its pages.
   */
  sealedExecutable(path: string): number;

  /** Takes an exclusive flock on `path` (created 0600) and keeps it; undefined when another process has it. */
  lockFile(path: string): number | undefined;

  /**
   * Asks the file system to spread what is made directly in the directory `path` over the disk instead of keeping it together
   * (chattr(1), "T"); false when it knows no such wish.
   */
  spreadChildren(path: string): boolean;

  /**
   * Sends a part of a file on its way to the disk, so that a sync that comes later has less to wait for; promises nothing about it.
   * The descriptor must stay open until then. Runs off the event loop.
   */
  startWriteback(fd: number, from: number, bytes: number): Promise<void>;

  /**
   * Sends a batch of netlink messages, as they are, and returns all answers one behind the other: the kernel answers while it
   * takes them. `namespace` is the descriptor of a network namespace, undefined this process's own. Rejects with an errno error
   * only when the batch as such could not be handed over; what the kernel thinks of its messages is in the answers. At most 8
   * MiB, and 64 MiB of answers. Runs off the event loop.
   */
  netlink(protocol: number, namespace: number | undefined, bytes: Uint8Array): Promise<Uint8Array>;

  /** A socket for `netlinkOver`, close-on-exec; its namespace is where it was made, for good. */
  netlinkSocket(protocol: number, namespace: number | undefined): Promise<number>;

  /** As `netlink`, over a socket that stays. One batch at a time. */
  netlinkOver(socket: number, bytes: Uint8Array): Promise<Uint8Array>;

  /** A socket in a network namespace (as above), bound, not blocking, close-on-exec; IPv6 ones are for IPv6 alone. */
  boundSocket(namespace: number | undefined, wish: SocketWish): Promise<number>;

  /** Writes settings ("net/ipv4/ip_forward", "1") in a network namespace (as above), in order. Rejects with the first errno error. */
  writeNetSettings(
    namespace: number | undefined,
    settings: readonly (readonly [name: string, value: string])[],
  ): Promise<void>;

  pidfdOpen(pid: number): number;
  /** Throws an errno error; ESRCH when the process is gone. */
  pidfdSignal(pidfd: number, signal: number): void;
  /** Whether the process has ended and let go of what it had, reaped or not. */
  pidfdHasEnded(pidfd: number): boolean;
  /** A copy of another process's descriptor, close-on-exec. Throws an errno error; EBADF when it has none of that number. */
  pidfdGetfd(pidfd: number, number: number): number;
  closeFd(fd: number): void;

  /** A sealed file in memory that holds `bytes`, read from its start; close-on-exec unless `replaceProcess` keeps it. */
  memfd(name: string, bytes: Uint8Array): number;

  /**
   * Executes another program in this process's place: same pid, parent, session, standard streams and working directory;
   * no signal blocked or ignored. Throws an errno error when that is not possible; then this program goes on, with all
   * descriptors from 3 up close-on-exec except those of `keep`. Output that was not flushed is lost.
   */
  replaceProcess(replacement: Replacement): never;

  /** Who connected to the unix socket at the other end of `fd`. */
  peerCredentials(fd: number): { readonly pid: number; readonly uid: number };

  /** Sends bytes with copies of `fds` over a unix socket, all at once and without waiting: EAGAIN when there is no room. */
  sendDescriptors(fd: number, bytes: Uint8Array, fds: readonly number[]): void;

  /** Deletes a directory tree: no symbolic link is followed, no mount crossed. A missing one is fine. Runs off the event loop. */
  removeTree(path: string): Promise<void>;

  /** Bytes and inodes below `path` (hard links once). Runs off the event loop. */
  treeUsage(path: string, signal: AbortSignal): Promise<TreeUsage>;

  /**
   * What two trees have in common only when they are the same: names, kinds, owners, modes, times, link counts, texts of
   * links, extended attributes and bytes of all entries; hexadecimal. The same for every order of directories. Mounts below
   * are not entered. Runs off the event loop.
   */
  treeFingerprint(path: string, signal: AbortSignal): Promise<string>;

  /**
   * Copies the tree `from` into the empty directory `to` of the same file system in a child, with the ids of owners and
   * ACLs mapped ("inside outside count" lines) and everything else kept. Rejects `invalid_argument`, naming the file, for an
   * id that is not mapped; `to` is half-done then. Nobody may change `from` meanwhile.
   */
  shiftTree(
    from: string,
    to: string,
    maps: { readonly uid: string; readonly gid: string },
  ): Promise<TreeUsage>;

  /** The same with all ids as they are. */
  copyTree(from: string, to: string): Promise<TreeUsage>;

  /**
   * Puts a layer directory for overlayfs into the tree `to`, which then holds what overlayfs would show of both. What it can it
   * moves out of the layer. Both are half-done when it rejects.
   */
  mergeLayer(layer: string, to: string): Promise<void>;

  /** Subvolumes of btrfs, by a child. One that is made is empty, with the mode 0755; one that is deleted may be full. */
  createSubvolume(path: string): Promise<void>;
  snapshotSubvolume(from: string, to: string): Promise<void>;
  deleteSubvolume(path: string): Promise<void>;

  /**
   * The st_mode of what a path of the host leads to. `makes`: a directory, and those above it (0755), when nothing is there. On a
   * thread of its own, which a file system that does not answer may keep: callers have a deadline. See host-paths.ts.
   */
  hostPath(path: string, makes: boolean): Promise<number>;

  /**
   * Whether the file system of a directory keeps files within the limits of their projects: XFS mounted with "pquota", ext4 with
   * "prjquota". False where the kernel cannot say (before Linux 5.14).
   */
  enforcesProjectLimits(directory: string): boolean;

  /** How many files, directories and links of its file system belong to a project. */
  projectInodes(directory: string, project: number): number;

  /** How many bytes those may take up in all; rounded up to the file system's unit, 0 = any number. */
  limitProject(directory: string, project: number, bytes: number): void;

  /** The project that a directory belongs to, 0 = none. Throws an errno error where there are no projects (ENOTTY, EOPNOTSUPP). */
  projectOf(directory: string): number;

  /** Makes an empty directory belong to a project, and all that will be made in it. */
  joinProject(directory: string, project: number): void;

  /** syncfs of the filesystem that holds `path`. Runs off the event loop. */
  syncFilesystem(path: string): Promise<void>;

  /**
   * Applies an uncompressed OCI layer tar to `directory` in a `gantry-shim tree apply` child: whiteouts become overlayfs
   * whiteouts and opaque marks. Rejects `invalid_argument` with the entry's name for an archive that is damaged or
   * leaves the directory. Entries and sizes are capped; reading stops when the child does.
   */
  applyLayer(directory: string, tar: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<TreeUsage>;

  /** The same into a new EROFS image, `layer.erofs` in `directory`, which shows what `applyLayer` would have made there. */
  applyLayerImage(directory: string, tar: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<TreeUsage>;

  /** Mounts an EROFS image nowhere, in a child. Rejects when the kernel cannot do that. */
  tryImageMount(path: string): Promise<void>;
  /**
   * The three that follow read trees in a `gantry-shim tree` child with a mount namespace of its own: nothing stays mounted,
   * whatever ends. A container may write into the tree meanwhile: what vanishes is left out, a file that shrinks is filled up
   * with zeros, and nothing outside of the tree is ever read. Ending the iteration early ends the child. They reject
   * `invalid_argument`, naming the file, for what an archive cannot hold.
   */

  /** A whole tree as a tar archive: the same tree always gives the same bytes. */
  packRoot(tree: TreeView, ids: IdMapping | undefined, signal: AbortSignal): AsyncIterable<Uint8Array>;

  /** A difference as an uncompressed OCI layer. Applied on `before` and packed again it gives the same bytes. */
  packDiff(difference: TreeDifference, signal: AbortSignal): AsyncIterable<Uint8Array>;

  /** A difference as `docker diff` tells it, directories before what is in them. */
  treeChanges(difference: TreeDifference, signal: AbortSignal): AsyncIterable<TreeChange>;
}
