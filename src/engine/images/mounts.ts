/**
 * Images' trees on the host, to look into: /images/{name}/mount, /images/unmount and /images/mounts. Not Docker's.
 *
 * On crash: mounts stay, and are found again in mountinfo; a directory of ours without a mount goes at the next start, and so
 * does the mount of an image that is gone.
 */
import { join } from "node:path";
import { fail, isCategory, messageOf } from "../../base/errors.ts";
import type { KeyedLock } from "../../base/keyed-lock.ts";
import type { Logger } from "../../base/log.ts";
import type { Images } from "../../core/images/images.ts";
import type { Snapshotter } from "../../core/snapshots/snapshotter.ts";
import {
  type ImageMount,
  listImageMounts,
  makeMountDirectory,
  mountDirectoriesIn,
  removeMountDirectory,
} from "../../linux/image-mounts.ts";
import type { TreeView } from "../../linux/native.ts";
import { hexOf } from "../../specs/oci-image/digest.ts";
import { familiar } from "./list.ts";

export interface ImageMountDeps {
  readonly images: Pick<Images, "resolve" | "list" | "unpack">;
  readonly snapshots: Pick<Snapshotter, "view">;
  readonly locks: KeyedLock;
  readonly log: Logger;
  /** Where images are mounted that have no place named, e.g. /run/gantry/images. */
  readonly imageMountsDir: string;
  /** This engine's mount namespace, as "mnt:[4026531841]". */
  readonly mountNamespace: string;
  readonly mountTree: (mount: ImageMount, view: TreeView) => Promise<void>;
  readonly unmountTree: (directory: string) => Promise<void>;
}

export interface MountedImage {
  readonly Id: string;
  readonly Mountpoint: string;
  readonly Names: readonly string[];
}

const KEY = "image mounts";

/**
 * Mounts the image's tree, read-only, on `directory`, which must exist, or on one of the engine's ("") if it is not there yet.
 * `namespace`: the caller's own, "" = unknown. `conflict` when the caller would not see the mount.
 */
export async function mountImage(
  deps: ImageMountDeps,
  name: string,
  request: { readonly directory: string; readonly namespace: string },
  signal: AbortSignal,
): Promise<MountedImage> {
  const image = deps.images.resolve(name);
  const { id, layers } = image;
  if (request.namespace !== "" && request.namespace !== deps.mountNamespace)
    throw fail(
      "conflict",
      `the engine has a mount namespace of its own (${deps.mountNamespace}): what it mounts is not seen in yours (${request.namespace})`,
    );
  if (request.directory !== "" && !request.directory.startsWith("/"))
    throw fail("invalid_argument", `path "${request.directory}" is not absolute`);
  await deps.images.unpack(image, signal);
  return await deps.locks.run(KEY, async () => {
    const own = join(deps.imageMountsDir, hexOf(id));
    const directory = request.directory === "" ? own : request.directory;
    const there = listImageMounts().find((mount) => mount.directory === directory);
    if (there !== undefined && (there.id !== id || request.directory !== ""))
      throw fail("conflict", `image "${there.id}" is mounted on "${directory}" already`);
    if (there === undefined) {
      if (request.directory === "") makeMountDirectory(own);
      try {
        deps.images.resolve(id); // it may have been removed while others had the lock
        await deps.mountTree({ id, directory }, deps.snapshots.view(layers.at(-1)?.chainId));
      } catch (error) {
        if (request.directory === "") removeMountDirectory(own);
        throw error;
      }
    }
    return shown(deps, { id, directory });
  });
}

/** By directory, or by name all mounts of the image. `not_found` without any, `conflict` while somebody uses one. */
export async function unmountImage(deps: ImageMountDeps, name: string): Promise<readonly string[]> {
  return await deps.locks.run(KEY, async () => {
    const mounts = mountsOf(deps, name);
    for (const { directory } of mounts.toReversed()) await takeOff(deps, directory);
    return mounts.map(({ directory }) => directory);
  });
}

function mountsOf(deps: ImageMountDeps, name: string): readonly ImageMount[] {
  const all = listImageMounts();
  const found = name.startsWith("/")
    ? all.filter(({ directory }) => directory === name)
    : ((id: string) => all.filter((mount) => mount.id === id))(deps.images.resolve(name).id);
  if (found.length === 0) throw fail("not_found", `no image is mounted as "${name}"`);
  return found;
}

async function takeOff(deps: ImageMountDeps, directory: string): Promise<void> {
  await deps.unmountTree(directory);
  if (directory.startsWith(`${deps.imageMountsDir}/`)) removeMountDirectory(directory);
}

export function listMountedImages(deps: Pick<ImageMountDeps, "images">): readonly MountedImage[] {
  return listImageMounts().map((mount) => shown(deps, mount));
}

function shown(deps: Pick<ImageMountDeps, "images">, { id, directory }: ImageMount): MountedImage {
  const image = deps.images.list().find((each) => each.id === id);
  return { Id: id, Mountpoint: directory, Names: (image?.tags ?? []).map(familiar) };
}

/** What an earlier run left. */
export async function mendImageMounts(deps: ImageMountDeps): Promise<void> {
  const known = new Set(deps.images.list().map(({ id }) => id));
  await deps.locks.run(KEY, async () => {
    for (const { id, directory } of listImageMounts()
      .filter((mount) => !known.has(mount.id))
      .toReversed()) {
      if (!directory.startsWith(`${deps.imageMountsDir}/`)) continue; // perhaps another engine's
      try {
        await takeOff(deps, directory);
      } catch (error) {
        if (!isCategory(error, "conflict")) throw error;
        deps.log.warn("an image that is gone is still mounted", { id, directory, reason: messageOf(error) });
      }
    }
    for (const name of mountDirectoriesIn(deps.imageMountsDir))
      removeMountDirectory(join(deps.imageMountsDir, name));
  });
}

/** Throws `conflict`, in Docker's manner, for an image that is mounted: what it is made of would be deleted under it. */
export function refuseMounted(image: { readonly id: string }): void {
  const mount = listImageMounts().find(({ id }) => id === image.id);
  if (mount !== undefined)
    throw fail(
      "conflict",
      `conflict: unable to delete ${hexOf(image.id).slice(0, 12)} (cannot be forced) - image is mounted on "${mount.directory}"`,
    );
}

/** By id. */
export function mountedImages(): ReadonlySet<string> {
  return new Set(listImageMounts().map(({ id }) => id));
}
