/** DELETE /images/{name}, and what prune does with each image. */
import { fail } from "../../base/errors.ts";
import type { Image, Images } from "../../core/images/images.ts";
import type { ImageDeleteItem } from "../../specs/engine/image.ts";
import {
  fullReference,
  parseReference,
  repositoryOf,
  withDefaultTag,
} from "../../specs/oci-image/reference.ts";
import type { EventSink } from "../containers/announce.ts";
import type { Container } from "../containers/container.ts";
import { countsAsRunning } from "../containers/state.ts";
import { announceImage } from "./announce.ts";
import { familiar } from "./list.ts";
import { refuseMounted } from "./mounts.ts";

export interface RemoveImageDeps {
  readonly images: Images;
  readonly events: EventSink;
  readonly containers: () => Iterable<Container>;
}

/**
 * By name: the name goes, and with the last one the image. By id: the image with its name, if it has only one. Throws
 * `not_found`, or `conflict` for an image that is in use or has names in several repositories; `force` overrides all
 * but running containers.
 */
export async function removeImage(
  deps: RemoveImageDeps,
  reference: string,
  options: { readonly force: boolean },
): Promise<readonly ImageDeleteItem[]> {
  const damaged = findDamaged(deps.images, reference);
  if (damaged !== undefined) {
    const { removedLayers } = await deps.images.remove(damaged);
    announceImage(deps.events, damaged, "delete", damaged);
    return [damaged, ...removedLayers].map((digest) => ({ Deleted: digest }));
  }
  const image = deps.images.resolve(reference);
  const byId = isId(image, reference);
  const users = [...deps.containers()].filter(({ record }) => record.imageId === image.id);
  const names = [...image.tags, ...image.digests];
  const removed: ImageDeleteItem[] = [];

  if (byId || names.length <= 1) refuseMounted(image);
  if (byId) {
    refuseUsed(image, users, options.force);
    if (!options.force && new Set(names.map(repositoryOfText)).size > 1)
      throw fail(
        "conflict",
        `conflict: unable to delete ${shortId(image.id)} (must be forced) - image is referenced in multiple repositories`,
      );
    for (const name of names) removed.push(untag(deps, image, name));
  } else {
    const name = fullReference(withDefaultTag(parseReference(reference)));
    const [user] = users;
    if (user !== undefined && !options.force && names.length === 1)
      throw fail(
        "conflict",
        `conflict: unable to remove repository reference "${reference}" (must force) - container ${user.id.slice(0, 12)} is using its referenced image ${shortId(image.id)}`,
      );
    removed.push(untag(deps, image, name));
    const isInUse = users.some(({ state }) => countsAsRunning(state.status));
    if (names.length > 1 || isInUse) return removed;
  }
  return [...removed, ...(await deleteImage(deps, image))];
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

function untag(deps: RemoveImageDeps, image: Image, name: string): ImageDeleteItem {
  deps.images.untag(name);
  announceImage(deps.events, image.id, "untag", image.id);
  return { Untagged: familiar(name) };
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
