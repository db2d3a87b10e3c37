/** DELETE /images/{name}, and what prune does with each image. */
import { fail } from "../../base/errors.ts";
import type { Image, Images } from "../../core/images/images.ts";
import type { ImageDeleteItem } from "../../specs/engine/image.ts";
import type { Platform } from "../../specs/oci-image/manifest.ts";
import {
  fullReference,
  parseReference,
  type Reference,
  repositoryOf,
  withDefaultTag,
} from "../../specs/oci-image/reference.ts";
import type { EventSink } from "../containers/announce.ts";
import type { Container } from "../containers/container.ts";
import { imagesOf } from "../containers/mounted-images.ts";
import { countsAsRunning } from "../containers/state.ts";
import { announceImage } from "./announce.ts";
import { familiar } from "./list.ts";
import { mountedImages, refuseMounted } from "./mounts.ts";

export interface RemoveImageDeps {
  readonly images: Images;
  readonly events: EventSink;
  readonly containers: () => Iterable<Container>;
}

export interface RemoveImageOptions {
  readonly force: boolean;
  /** Only these variants of a name; none = all. */
  readonly platforms: readonly Platform[];
}

/**
 * By name: the name goes, and its images that have no other. By id: the image with its name, if it has only one. Throws
 * `not_found`, or `conflict` for an image that is in use or has names in several repositories; `force` overrides all
 * but running containers.
 */
export async function removeImage(
  deps: RemoveImageDeps,
  reference: string,
  options: RemoveImageOptions,
): Promise<readonly ImageDeleteItem[]> {
  const damaged = findDamaged(deps.images, reference);
  if (damaged !== undefined) {
    const { removedLayers } = await deps.images.remove(damaged);
    announceImage(deps.events, damaged, "delete", damaged);
    return [damaged, ...removedLayers].map((digest) => ({ Deleted: digest }));
  }
  if (options.platforms.length > 0) return await removeVariants(deps, reference, options);
  const image = deps.images.resolve(reference);
  return isId(image, reference)
    ? await removeById(deps, image, options.force)
    : await removeName(deps, image, reference, options.force);
}

async function removeById(
  deps: RemoveImageDeps,
  image: Image,
  force: boolean,
): Promise<readonly ImageDeleteItem[]> {
  refuseMounted(image);
  const users = usersOf(deps, image);
  refuseUsed(
    image,
    users.filter(({ state }) => countsAsRunning(state.status)),
    force,
  );
  const names = [...image.tags, ...image.pinned];
  if (!force && new Set(names.map(repositoryOfText)).size > 1)
    throw fail(
      "conflict",
      `conflict: unable to delete ${shortId(image.id)} (must be forced) - image is referenced in multiple repositories`,
    );
  refuseUsed(image, users, force);
  const removed = names.flatMap((name) => untag(deps, image, name));
  return [...removed, ...(await deleteImage(deps, image))];
}

async function removeName(
  deps: RemoveImageDeps,
  image: Image,
  reference: string,
  force: boolean,
): Promise<readonly ImageDeleteItem[]> {
  const names = [...image.tags, ...image.pinned];
  if (names.length === 1) refuseMounted(image);
  const name = fullReference(keyOf(withDefaultTag(parseReference(reference))));
  const [user] = usersOf(deps, image);
  if (user !== undefined && !force && names.length === 1)
    throw fail(
      "conflict",
      `conflict: unable to remove repository reference "${reference}" (must force) - container ${user.id.slice(0, 12)} is using its referenced image ${shortId(image.id)}`,
    );
  const images = deps.images.name(name)?.images ?? [image];
  const removed: ImageDeleteItem[] = [...untag(deps, image, name)];
  for (const { id } of images) {
    const left = deps.images.resolve(id);
    const isNamed = left.tags.length + left.pinned.length + left.variantOf.length > 0;
    const isRunning = usersOf(deps, left).some(({ state }) => countsAsRunning(state.status));
    if (!isNamed && !isRunning && !mountedImages().has(id)) removed.push(...(await deleteImage(deps, left)));
  }
  return removed;
}

async function removeVariants(
  deps: RemoveImageDeps,
  reference: string,
  { platforms, force }: RemoveImageOptions,
): Promise<readonly ImageDeleteItem[]> {
  const chosen = platforms.map((platform) => deps.images.resolve(reference, platform));
  for (const image of chosen) {
    refuseMounted(image);
    refuseUsed(image, usersOf(deps, image), force);
  }
  const removed: ImageDeleteItem[] = [];
  for (const image of chosen) {
    const name = isId(image, reference) ? undefined : deps.images.name(reference);
    if (name?.images.length === 1) {
      removed.push(...(await removeName(deps, image, reference, force)));
      continue;
    }
    if (name !== undefined) deps.images.untagVariant(name.reference, image);
    const left = deps.images.resolve(image.id);
    const isNamed = left.tags.length + left.pinned.length + left.variantOf.length > 0;
    if (name === undefined || !isNamed) removed.push(...(await deleteImage(deps, left)));
  }
  return removed;
}

function usersOf(deps: RemoveImageDeps, image: Image): readonly Container[] {
  return [...deps.containers()].filter((container) => imagesOf(container).has(image.id));
}

/** With tag and digest, the digest is the name. */
function keyOf(reference: Reference): Reference {
  return reference.digest === undefined ? reference : { ...reference, tag: undefined };
}

export async function deleteImage(
  deps: Pick<RemoveImageDeps, "images" | "events">,
  image: Image,
): Promise<readonly ImageDeleteItem[]> {
  const { removedLayers } = await deps.images.remove(image.id);
  announceImage(deps.events, image.id, "delete", image.id);
  return [{ Deleted: image.id }, ...removedLayers.map((layer) => ({ Deleted: layer }))];
}

/** The id of a damaged image, by name or id: there is nothing to be done with one but to remove it. */
function findDamaged(images: Images, reference: string): string | undefined {
  const damaged = images.damaged();
  if (damaged.length === 0) return undefined;
  const byId = damaged.find(({ id }) => id === reference || id === `sha256:${reference}`);
  if (byId !== undefined) return byId.id;
  const name = fullReference(withDefaultTag(parseReference(reference)));
  return damaged.find(({ names }) => names.includes(name))?.id;
}

/** With the last tag of a repository goes what the registry has it by. */
function untag(deps: RemoveImageDeps, image: Image, name: string): readonly ImageDeleteItem[] {
  const before = image.digests.filter((digest) => digest !== name);
  deps.images.untag(name);
  announceImage(deps.events, image.id, "untag", image.id, image.config?.Labels);
  const after = new Set(deps.images.resolve(image.id).digests);
  const gone = before.filter((digest) => !after.has(digest) && isSameRepository(digest, name));
  return [name, ...gone].map((text) => ({ Untagged: familiar(text) }));
}

function isSameRepository(one: string, other: string): boolean {
  return repositoryOfText(one) === repositoryOfText(other);
}

function refuseUsed(image: Image, users: readonly Container[], force: boolean): void {
  const running = users.find(({ state }) => countsAsRunning(state.status));
  const [stopped] = users;
  if (running !== undefined)
    throw fail(
      "conflict",
      `conflict: unable to delete ${shortId(image.id)} (cannot be forced) - image is being used by running container ${running.id.slice(0, 12)}`,
    );
  if (stopped !== undefined && !force)
    throw fail(
      "conflict",
      `conflict: unable to delete ${shortId(image.id)} (must be forced) - image is being used by stopped container ${stopped.id.slice(0, 12)}`,
    );
}

function isId(image: Image, reference: string): boolean {
  const text = reference.startsWith("sha256:") ? reference.slice("sha256:".length) : reference;
  return /^[0-9a-f]+$/.test(text) && image.id.startsWith(`sha256:${text}`);
}

function repositoryOfText(name: string): string {
  return repositoryOf(parseReference(name));
}

function shortId(id: string): string {
  return id.slice("sha256:".length, "sha256:".length + 12);
}
