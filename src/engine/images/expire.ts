/** Removes images as the policy of daemon.json says: what core/gc/plan-images.ts decides, done. */
import type { Logger } from "../../base/log.ts";
import { isCategory } from "../../base/errors.ts";
import type { Content } from "../../core/content/content.ts";
import type { ImageUses } from "../../core/gc/image-uses.ts";
import type { ImagePolicy } from "../../core/gc/image-policy.ts";
import { type ImagePlan, type ObservedImage, planImages } from "../../core/gc/plan-images.ts";
import type { Image, Images } from "../../core/images/images.ts";
import type { Leases } from "../../core/metadata/leases.ts";
import type { Snapshotter } from "../../core/snapshots/snapshotter.ts";
import { parseReference, repositoryOf } from "../../specs/oci-image/reference.ts";
import type { EventSink } from "../containers/announce.ts";
import type { Container } from "../containers/container.ts";
import { matchesLabel } from "../containers/list-filters.ts";
import { announceImage } from "./announce.ts";
import { createdMs, imagesInUse, isNamed } from "./list.ts";
import { mountedImages } from "./mounts.ts";
import { deleteImage } from "./remove.ts";

export interface ExpireDeps {
  readonly images: Images;
  readonly imageUses: Pick<ImageUses, "lastUsedMs" | "settle">;
  readonly snapshots: Pick<Snapshotter, "layers" | "active">;
  readonly content: Pick<Content, "list">;
  readonly leases: Pick<Leases, "isLayerHeld">;
  readonly containers: () => Iterable<Container>;
  readonly events: EventSink;
  readonly log: Logger;
  readonly fileSystem: () => Promise<{ readonly totalBytes: number; readonly usedBytes: number }>;
}

/** Returns the plan that was carried out; an image that somebody has begun to use meanwhile stays. */
export async function expireImages(
  deps: ExpireDeps,
  policy: ImagePolicy,
  signal: AbortSignal,
): Promise<ImagePlan> {
  const plan = await planExpiry(deps, policy);
  const plannedUse = new Map(plan.remove.map(({ id }) => [id, deps.imageUses.lastUsedMs(id)]));
  for (const { id, reason, freesBytes } of plan.remove) {
    if (signal.aborted) break;
    const image = stillThere(deps.images, id);
    if (image === undefined) continue;
    if (mountedImages().has(id)) continue;
    if (imagesInUse(deps.containers()).has(id) || deps.imageUses.lastUsedMs(id) !== plannedUse.get(id))
      continue;
    deps.log.info("removing an image that nobody uses", {
      id,
      names: [...image.tags, ...image.digests].join(" "),
      reason,
      freesBytes,
    });
    for (const _ of [...image.tags, ...image.digests])
      announceImage(deps.events, id, "untag", id, image.config?.Labels);
    await deleteImage(deps, image);
  }
  if (plan.missingBytes > 0)
    deps.log.warn("the images that may go are not enough", { missingBytes: plan.missingBytes });
  return plan;
}

export async function planExpiry(deps: ExpireDeps, policy: ImagePolicy): Promise<ImagePlan> {
  const fileSystem = await deps.fileSystem();
  const nowMs = Date.now();
  const images = deps.images.list();
  const damaged = deps.images.damaged();
  deps.imageUses.settle(
    [...images, ...damaged].map(({ id }) => id),
    nowMs,
  );
  const uses = imagesInUse(deps.containers());
  const layers = deps.snapshots.layers();
  const observe = (image: Image): ObservedImage => ({
    id: image.id,
    needs: deps.images.needs(image.id),
    repositories: [...image.tags, ...image.digests, ...image.variantOf].map((name) =>
      repositoryOf(parseReference(name)),
    ),
    createdMs: createdMs(image),
    lastUsedMs: Math.max(deps.imageUses.lastUsedMs(image.id) ?? nowMs, image.taggedAtMs),
    isInUse: uses.has(image.id),
    isPinned: isPinned(image, policy),
  });
  return planImages(
    {
      images: [...images.map(observe), ...damaged.map(({ id }) => untouchable(id, deps.images))],
      layers,
      blobs: deps.content.list(),
      heldLayers: [
        ...deps.snapshots.active().map(({ parent }) => parent),
        ...layers.map(({ chainId }) => chainId).filter((chainId) => deps.leases.isLayerHeld(chainId)),
      ],
      fileSystem,
      nowMs,
    },
    policy,
  );
}

/** A damaged image is the user's to repair or to remove; until then it holds what is left of it. */
function untouchable(id: string, images: Images): ObservedImage {
  const needs = images.needs(id);
  return { id, needs, repositories: [], createdMs: 0, lastUsedMs: 0, isInUse: false, isPinned: true };
}

function isPinned(image: Image, { keepLabels, keepReferences }: ImagePolicy): boolean {
  const labels = image.config?.Labels ?? {};
  return (
    keepLabels.some((label) => matchesLabel(labels, label)) ||
    (keepReferences.length > 0 && image.tags.some((tag) => isNamed(tag, keepReferences)))
  );
}

function stillThere(images: Images, id: string): Image | undefined {
  try {
    return images.resolve(id);
  } catch (error) {
    if (isCategory(error, "not_found") || isCategory(error, "unavailable")) return undefined;
    throw error;
  }
}
