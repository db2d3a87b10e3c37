/**
 * The files of one container, reached from outside: the contract. `container-files-child.ts` implements it with one
 * `gantry-shim tree` child a call (native/src/tree_copy.c). The child sees the container's mounts in a mount namespace of its
 * own, confines itself to the container's root before it looks at the first name, and resolves every path once, in the kernel:
 * a link that the container exchanges meanwhile leads somewhere inside. Nothing of the container is ever executed.
 *
 * Filesystems that are the kernel itself (proc, sysfs, cgroup and their kin) are not entered: their mount points look empty.
 *
 * On crash: a child whose other side is gone ends by itself, and with it its mounts. What a `put` had unpacked until then stays.
 */
import type { IdMapping } from "./native.ts";

/** What to mount on a container that does not run, in order; parents before what is inside of them. */
export interface HostBind {
  readonly source: string;
  readonly destination: string;
  readonly readOnly: boolean;
  /** What of the source is mounted, a relative path; links do not lead out of the source. */
  readonly beneath?: string | undefined;
}

/** Where a container's files are. */
export type ContainerTree =
  /** As the process sees them, with all that is mounted there. */
  | { readonly kind: "process"; readonly pid: number }
  | {
      readonly kind: "stopped";
      /** `layers`: topmost first; who writes has `upper` and `work` to himself. Without layers: one directory. */
      readonly root:
        | { readonly layers: readonly string[]; readonly upper: string; readonly work: string }
        | { readonly directory: string };
      readonly readOnly: boolean;
      readonly binds: readonly HostBind[];
    };

export interface PathFacts {
  /** st_mode of stat(2). */
  readonly mode: number;
  readonly sizeBytes: number;
  /** Unix nanoseconds. */
  readonly mtimeNs: bigint;
  /** Where a symbolic link leads in the end, as far as there is anything; "" for what is none. */
  readonly linkTarget: string;
  /** For `put`: whether there can be written, and if not, whether it is the root itself that is read-only. */
  readonly access: "writable" | "read-only mount" | "read-only root" | undefined;
}

/** Or why there is nothing: the name of an error number. */
export type PathAnswer = PathFacts | { readonly errno: string };

export interface Taken {
  readonly answer: PathAnswer;
  /** Empty when nothing is there. Ending the iteration early ends the child. */
  readonly archive: AsyncGenerator<Uint8Array>;
}

/** A child that waits for an archive. */
export interface Putting extends AsyncDisposable {
  /** Nothing can be unpacked when this is no directory. */
  readonly answer: PathAnswer;
  /** Unpacks an uncompressed archive. `invalid_argument`, naming the entry, for what the archive or the directory is at fault for. */
  unpack(tar: AsyncIterable<Uint8Array>): Promise<void>;
}

export interface PutOptions {
  /** No directory gives way to something else, and nothing else to a directory. */
  readonly keepsKinds: boolean;
  /** The ids in archives → those on the disk, when they differ. */
  readonly ids: IdMapping | undefined;
}

/** Paths are absolute and clean but for a trailing "/" or "/.". */
export interface ContainerFiles {
  /** What a path is; a link at its end is not followed. */
  look(tree: ContainerTree, path: string, signal: AbortSignal): Promise<PathAnswer>;
  /** An archive of it, in which it is called `name`. `ids` as with `Native.packRoot`. */
  take(
    tree: ContainerTree,
    path: string,
    name: string,
    ids: IdMapping | undefined,
    signal: AbortSignal,
  ): Promise<Taken>;
  /** Absolute paths that match a pattern of `*`, `?` and `[…]`, sorted; `invalid_argument` for very many. */
  match(tree: ContainerTree, pattern: string, signal: AbortSignal): Promise<readonly string[]>;
  /** To unpack an archive in the directory `path`, links followed. Dispose of it, whatever comes. */
  put(tree: ContainerTree, path: string, options: PutOptions, signal: AbortSignal): Promise<Putting>;
}
