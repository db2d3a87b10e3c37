/** GET /images/{name}/json and /images/{name}/history. */
import type { Image, ImageHistoryEntry } from "../../core/images/images.ts";
import type { Snapshotter } from "../../core/snapshots/snapshotter.ts";
import { isCategory } from "../../base/errors.ts";
import type { ImageHistoryItem, ImageInspect } from "../../specs/engine/image.ts";
import { formatTime } from "../containers/timestamp.ts";
import { familiar, layerSizes } from "./list.ts";
import { descriptorOf, type ManifestDeps, manifestsOf } from "./manifests.ts";

export interface InspectImageDeps extends ManifestDeps {
  readonly snapshots: Pick<Snapshotter, "driver" | "describe" | "layers">;
}

export async function inspectImage(
  deps: InspectImageDeps,
  image: Image,
  options: { readonly manifests: boolean },
): Promise<ImageInspect> {
  const descriptor = descriptorOf(deps, image);
  return {
    Id: image.id,
    RepoTags: image.tags.map(familiar),
    RepoDigests: image.digests.map(familiar),
    Parent: "",
    Comment: image.comment,
    Created: image.created,
    DockerVersion: "",
    Author: image.author,
    Config: image.config,
    Architecture: image.architecture,
    ...(image.variant === "" ? {} : { Variant: image.variant }),
    Os: image.os,
    Size: image.sizeBytes,
    GraphDriver: { Name: deps.snapshots.driver, Data: describe(deps, image) },
    RootFS: { Type: "layers", Layers: image.layers.map(({ diffId }) => diffId) },
    Metadata: { LastTagTime: formatTime(BigInt(image.taggedAtMs) * 1_000_000n) },
    ...(descriptor === undefined ? {} : { Descriptor: descriptor }),
    ...(options.manifests ? { Manifests: await manifestsOf(deps, image) } : {}),
  };
}

function describe(deps: InspectImageDeps, image: Image): Readonly<Record<string, string>> | null {
  const top = image.layers.at(-1);
  if (top === undefined) return null;
  try {
    return deps.snapshots.describe(top.chainId);
  } catch (error) {
    if (isCategory(error, "not_found")) return null;
    throw error;
  }
}

/** Newest first. Only the newest has an id: those below it belong to no image of their own. */
export function imageHistory(deps: InspectImageDeps, image: Image): readonly ImageHistoryItem[] {
  const unpacked = layerSizes(deps.snapshots);
  const sizes = image.layers.map(({ chainId }) => unpacked.get(chainId) ?? 0).values();
  const items = image.history.map((entry) =>
    historyItem(entry, entry.emptyLayer ? 0 : (sizes.next().value ?? 0)),
  );
  return items
    .reverse()
    .map((item, index) => (index === 0 ? { ...item, Id: image.id, Tags: image.tags.map(familiar) } : item));
}

function historyItem(entry: ImageHistoryEntry, size: number): ImageHistoryItem {
  const ms = Date.parse(entry.created);
  return {
    Id: "<missing>",
    Created: Number.isNaN(ms) ? 0 : Math.floor(ms / 1000),
    CreatedBy: entry.createdBy,
    Tags: null,
    Size: size,
    Comment: entry.comment,
  };
}
