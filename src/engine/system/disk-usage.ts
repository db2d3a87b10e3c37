/** GET /system/df: what images, containers and volumes take of the disk. Build caches are not kept by this engine. */
import { fail } from "../../base/errors.ts";
import type { Volumes } from "../../core/volumes/volumes.ts";
import type { ContainerSummary } from "../../specs/engine/container.ts";
import type { ImageSummary } from "../../specs/engine/image.ts";
import type { VolumeDocument } from "../../specs/engine/volume.ts";
import { list, type ListDeps } from "../containers/list.ts";
import { listImages, type ListImagesDeps } from "../images/list.ts";
import { volumeDocument } from "../volumes/volume-document.ts";
import { volumesByName } from "../volumes/volumes.ts";

/** What can be asked for; containers and their sizes take the longest. */
export const DISK_USAGE_TYPES = ["container", "image", "volume", "build-cache"] as const;
export type DiskUsageType = (typeof DISK_USAGE_TYPES)[number];

export interface DiskUsage {
  /** Unpacked bytes of all layers, each once; 0 when images were not asked for. */
  readonly LayersSize: number;
  /** null = not asked for. */
  readonly Images: readonly ImageSummary[] | null;
  readonly Containers: readonly ContainerSummary[] | null;
  readonly Volumes: readonly VolumeDocument[] | null;
  readonly BuildCache: readonly never[] | null;
}

export type DiskUsageDeps = ListDeps & ListImagesDeps & { readonly volumes: Volumes };

/** Throws `invalid_argument` for a type that is none. No types are all types. */
export function decodeDiskUsageTypes(texts: readonly string[]): ReadonlySet<DiskUsageType> {
  const wanted = texts.map((text) => {
    const type = DISK_USAGE_TYPES.find((known) => known === text);
    if (type === undefined) throw fail("invalid_argument", `unknown object type: ${text.slice(0, 100)}`);
    return type;
  });
  return new Set(wanted.length === 0 ? DISK_USAGE_TYPES : wanted);
}

export async function diskUsage(
  deps: DiskUsageDeps,
  types: ReadonlySet<DiskUsageType>,
  signal: AbortSignal,
): Promise<DiskUsage> {
  const filters = new Map();
  const containers = types.has("container")
    ? await list(deps, { all: true, limit: 0, size: true, filters, signal })
    : null;
  const withImages = types.has("image");
  return {
    LayersSize: withImages ? deps.snapshots.layers().reduce((sum, { usage }) => sum + usage.sizeBytes, 0) : 0,
    Images: withImages ? listImages(deps, { filters, sharedSize: true, all: true }) : null,
    Containers: containers,
    Volumes: types.has("volume") ? await volumeUsage(deps.volumes, signal) : null,
    BuildCache: types.has("build-cache") ? [] : null,
  };
}

/** Those with options are somebody else's space, as with Docker. */
async function volumeUsage(volumes: Volumes, signal: AbortSignal): Promise<readonly VolumeDocument[]> {
  const users = volumes.users();
  const documents: VolumeDocument[] = [];
  for (const volume of volumesByName(volumes)) {
    const size = await volumes.usage(volume, signal);
    if (size === undefined) continue;
    const UsageData = { RefCount: users.get(volume.name)?.length ?? 0, Size: size };
    documents.push({ ...volumeDocument(volume), UsageData });
  }
  return documents;
}
