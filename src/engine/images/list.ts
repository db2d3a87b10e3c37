/** GET /images/json. */
import { fail } from "../../base/errors.ts";
import type { Image, Images } from "../../core/images/images.ts";
import type { Snapshotter } from "../../core/snapshots/snapshotter.ts";
import type { Filters } from "../../specs/engine/container.ts";
import { booleanFilter } from "../../specs/engine/filters.decode.ts";
import type { DescriptorDocument, ImageSummary } from "../../specs/engine/image.ts";
import { familiarReference, parseReference } from "../../specs/oci-image/reference.ts";
import type { Container } from "../containers/container.ts";
import { matchesLabel } from "../containers/list-filters.ts";
import { imagesOf } from "../containers/mounted-images.ts";
import { nowNs } from "../containers/timestamp.ts";
import { parseTime } from "../system/time-filter.ts";
import { matchesGlob } from "./glob.ts";
import { descriptorOf } from "./manifests.ts";

export const IMAGE_FILTERS = ["before", "dangling", "label", "reference", "since", "until"] as const;

export interface ListImagesDeps {
  readonly images: Pick<Images, "list" | "resolve" | "name">;
  readonly containers: () => Iterable<Container>;
  readonly snapshots: Pick<Snapshotter, "layers">;
}

/** Chain id → unpacked bytes. */
export function layerSizes(snapshots: Pick<Snapshotter, "layers">): ReadonlyMap<string, number> {
  return new Map(snapshots.layers().map(({ chainId, usage }) => [chainId, usage.sizeBytes]));
}

export interface ListImagesRequest {
  readonly filters: Filters;
  readonly sharedSize: boolean;
  /** Also the images that are only another platform's of some name. */
  readonly all?: boolean;
}

export function listImages(deps: ListImagesDeps, request: ListImagesRequest): readonly ImageSummary[] {
  const all = deps.images.list();
  const patterns = request.filters.get("reference") ?? [];
  const uses = countUses(deps.containers());
  const sharers = request.sharedSize ? countSharers(all) : undefined;
  const sizes = layerSizes(deps.snapshots);
  return all
    .filter((image) => request.all === true || !isOnlyVariant(image))
    .filter(imageFilter(deps.images, request.filters))
    .sort((a, b) => createdMs(b) - createdMs(a))
    .map((image) => ({
      Id: image.id,
      ParentId: "",
      RepoTags: image.tags.filter((tag) => isNamed(tag, patterns)).map(familiar),
      RepoDigests: image.digests.map(familiar),
      Created: Math.floor(createdMs(image) / 1000),
      Size: image.sizeBytes,
      SharedSize: sharers === undefined ? -1 : sharedBytes(image, sharers, sizes),
      Labels: image.config?.Labels ?? null,
      Containers: uses.get(image.id) ?? 0,
      ...withDescriptor(descriptorOf(deps, image)),
    }));
}

function withDescriptor(descriptor: DescriptorDocument | undefined): Pick<ImageSummary, "Descriptor"> {
  return descriptor === undefined ? {} : { Descriptor: descriptor };
}

/** Its name shows another image, so that it is neither dangling nor of interest by itself. */
export function isOnlyVariant({ tags, pinned, variantOf }: Image): boolean {
  return variantOf.length > 0 && tags.length + pinned.length === 0;
}

/** "docker.io/library/busybox:latest" → "busybox:latest". */
export function familiar(full: string): string {
  return familiarReference(parseReference(full));
}

/** Unix milliseconds; 0 for an image that does not say. */
export function createdMs(image: Image): number {
  const ms = Date.parse(image.created);
  return Number.isNaN(ms) ? 0 : ms;
}

/** Mounted ones, too. */
export function imagesInUse(containers: Iterable<Container>): ReadonlySet<string> {
  return new Set([...containers].flatMap((container) => [...imagesOf(container)]));
}

/** By the containers that run them, as Docker counts. */
function countUses(containers: Iterable<Container>): ReadonlyMap<string, number> {
  const uses = new Map<string, number>();
  for (const { record } of containers) uses.set(record.imageId, (uses.get(record.imageId) ?? 0) + 1);
  return uses;
}

function countSharers(images: readonly Image[]): ReadonlyMap<string, number> {
  const sharers = new Map<string, number>();
  for (const { layers } of images)
    for (const { chainId } of layers) sharers.set(chainId, (sharers.get(chainId) ?? 0) + 1);
  return sharers;
}

function sharedBytes(
  image: Image,
  sharers: ReadonlyMap<string, number>,
  sizes: ReadonlyMap<string, number>,
): number {
  return image.layers
    .filter(({ chainId }) => (sharers.get(chainId) ?? 0) > 1)
    .reduce((bytes, { chainId }) => bytes + (sizes.get(chainId) ?? 0), 0);
}

/** The test of list and prune. Throws `invalid_argument`, or `not_found` for an unknown image in `before` or `since`. */
export function imageFilter(images: Pick<Images, "resolve">, filters: Filters): (image: Image) => boolean {
  const isDangling = booleanFilter(filters, "dangling");
  const before = (filters.get("before") ?? []).map((name) => createdMs(images.resolve(name)));
  const since = (filters.get("since") ?? []).map((name) => createdMs(images.resolve(name)));
  const now = nowNs();
  const until = (filters.get("until") ?? []).map((text) => Number(parseTime(text, now) / 1_000_000n));
  const labels = filters.get("label") ?? [];
  const unwanted = filters.get("label!") ?? [];
  const patterns = filters.get("reference") ?? [];
  for (const pattern of patterns)
    if (pattern.length > 1024) throw fail("invalid_argument", "invalid filter 'reference'");
  return (image) =>
    (isDangling === undefined || isDangling === (image.tags.length === 0 && image.variantOf.length === 0)) &&
    before.every((limit) => createdMs(image) < limit) &&
    since.every((limit) => createdMs(image) > limit) &&
    until.every((limit) => createdMs(image) < limit) &&
    labels.every((label) => matchesLabel(image.config?.Labels ?? {}, label)) &&
    !unwanted.some((label) => matchesLabel(image.config?.Labels ?? {}, label)) &&
    (patterns.length === 0 || image.tags.some((tag) => isNamed(tag, patterns)));
}

/** With a `reference` filter an image shows only the names that were asked for. */
export function isNamed(tag: string, patterns: readonly string[]): boolean {
  return patterns.length === 0 || patterns.some((pattern) => matchesReference(tag, pattern));
}

/** A pattern is compared with the familiar name with and without tag, and with the last part of the path. */
function matchesReference(full: string, pattern: string): boolean {
  const name = familiar(full);
  const repository = name.slice(0, name.lastIndexOf(":"));
  return [name, repository, full].some((text) => matchesGlob(text, pattern));
}
