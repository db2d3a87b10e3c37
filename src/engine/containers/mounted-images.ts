/**
 * Images in containers (`--mount type=image`). Each is an own snapshot of the container, `<container>.<number>`, which holds the
 * image's layers as long as the container is there. Init binds from a directory, and so the tree is mounted on the host while a
 * container starts, or somebody reads the files of one that does not run; what runs has it in its own mount namespace alone.
 *
 * On crash: the next start takes off what is mounted below `treesDir`.
 */
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { fail, isCategory, messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Scope } from "../../base/scope.ts";
import type { Images } from "../../core/images/images.ts";
import type { IdShift, Snapshotter } from "../../core/snapshots/snapshotter.ts";
import { makeMountDirectory, mountDirectoriesIn, removeMountDirectory } from "../../linux/image-mounts.ts";
import type { Container } from "./container.ts";
import type { ImageRequest, MountRequest } from "./mount-request.ts";

export interface TreesDeps {
  readonly snapshots: Pick<Snapshotter, "mount">;
  readonly log: Logger;
  /** For nothing but these mounts, e.g. /run/gantry/trees. */
  readonly treesDir: string;
  /** Shows layers, topmost first, read-only on a directory that exists. */
  readonly showTree: (name: string, directory: string, layers: readonly string[]) => Promise<void>;
  /** Throws `conflict` while somebody uses it. */
  readonly unmountTree: (directory: string) => Promise<void>;
}

export interface ShownTree {
  readonly directory: string;
  /** Never rejects. */
  readonly letGo: () => Promise<void>;
}

/** Those that a container has, in order. */
export function imageMountsOf({ mounts }: Pick<Container, "mounts">): readonly ImageRequest[] {
  return mounts.flatMap(({ mount }) => (mount.kind === "image" ? [mount] : []));
}

/** All that is made of images for it: its root, and what is mounted in it. */
export function snapshotsOf(container: Pick<Container, "id" | "mounts">): readonly string[] {
  return [container.id, ...imageMountsOf(container).map(({ snapshot }) => snapshot)];
}

/** The image that it runs and those that it has mounted, each once. */
export function imagesOf(container: Pick<Container, "record" | "mounts">): ReadonlySet<string> {
  return new Set([container.record.imageId, ...imageMountsOf(container).map(({ image }) => image)]);
}

/** Names become images, unpacked; what another container lends is what it has. Throws `not_found` for a missing image. */
export async function findImages(
  images: Pick<Images, "resolve" | "unpack">,
  mounts: readonly MountRequest[],
  { container, signal }: { readonly container: string; readonly signal: AbortSignal },
): Promise<readonly MountRequest[]> {
  const found = mounts.map((request, index): MountRequest => {
    const { mount } = request;
    if (mount.kind !== "image") return request;
    const snapshot = `${container}.${index}`;
    if (mount.image !== "") return { ...request, mount: { ...mount, snapshot } };
    const { id, layers } = images.resolve(mount.name);
    return { ...request, mount: { ...mount, image: id, layer: layers.at(-1)?.chainId ?? "", snapshot } };
  });
  for (const { mount } of mounts)
    if (mount.kind === "image" && mount.image === "") await images.unpack(images.resolve(mount.name), signal);
  return found;
}

/** What is made is undone by `scope`. `shift` = the users of the container. */
export async function bringImages(
  { snapshots }: { readonly snapshots: Pick<Snapshotter, "prepare" | "remove" | "mount" | "describe"> },
  mounts: readonly MountRequest[],
  { scope, shift }: { readonly scope: Scope; readonly shift: IdShift | undefined },
): Promise<readonly MountRequest[]> {
  const brought: MountRequest[] = [];
  for (const request of mounts) {
    const { point, mount } = request;
    if (mount.kind !== "image") {
      brought.push(request);
      continue;
    }
    const { snapshot, layer } = mount;
    await snapshots.prepare(snapshot, layer === "" ? undefined : layer, shift);
    scope.defer("remove a mounted image", () => snapshots.remove(snapshot));
    brought.push({ point: point && { ...point, Source: sourceOf(snapshots, snapshot) }, mount });
  }
  return brought;
}

/** As inspect shows it: where Docker would have it mounted. */
function sourceOf(snapshots: Pick<Snapshotter, "mount" | "describe">, snapshot: string): string {
  const rootfs = snapshots.mount(snapshot);
  return rootfs.kind === "bind" ? rootfs.source : (snapshots.describe(snapshot)["MergedDir"] ?? "");
}

/** `shiftedBy`: the users that the container has now. Throws `conflict` when it was created for others. */
export async function showImage(
  deps: TreesDeps,
  { snapshot }: ImageRequest,
  shiftedBy: string | undefined,
): Promise<ShownTree> {
  const rootfs = deps.snapshots.mount(snapshot);
  if (rootfs.shiftedBy !== shiftedBy)
    throw fail("conflict", `the mounted image ${snapshot} was made for the users of another userns-remap`);
  if (rootfs.kind === "bind") return { directory: rootfs.source, letGo: () => Promise.resolve() };
  const directory = join(deps.treesDir, `${snapshot}.${randomUUID()}`);
  makeMountDirectory(directory);
  try {
    await deps.showTree(snapshot, directory, rootfs.lowers);
  } catch (error) {
    removeMountDirectory(directory);
    throw error;
  }
  return { directory, letGo: () => takeOff(deps, directory) };
}

/** Of an earlier run, before anything starts. Never rejects. */
export async function mendShownImages(deps: Omit<TreesDeps, "snapshots">): Promise<void> {
  makeMountDirectory(deps.treesDir);
  for (const name of mountDirectoriesIn(deps.treesDir)) {
    deps.log.info("taking off an image that was mounted for a start", { name });
    await takeOff(deps, join(deps.treesDir, name));
  }
}

async function takeOff(
  { unmountTree, log }: Pick<TreesDeps, "unmountTree" | "log">,
  directory: string,
): Promise<void> {
  try {
    await unmountTree(directory);
  } catch (error) {
    // Nothing is mounted there, or somebody looks into it: then the next start finds it.
    if (!isCategory(error, "conflict"))
      log.error("cannot unmount an image", { directory, error: messageOf(error) });
  }
  removeMountDirectory(directory);
}
