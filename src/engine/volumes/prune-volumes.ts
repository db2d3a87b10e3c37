/** POST /volumes/prune: volumes that no container has. */
import { fail, isCategory } from "../../base/errors.ts";
import { isAnonymous } from "../../core/volumes/volumes.ts";
import type { Filters } from "../../specs/engine/container.ts";
import type { VolumePruneReport } from "../../specs/engine/volume.ts";
import { announcePrune } from "../system/announce-prune.ts";
import { pruneFilter } from "../system/prune-filter.ts";
import { announceVolume } from "./announce-volume.ts";
import { type VolumeVerbDeps, volumesByName } from "./volumes.ts";

export const VOLUME_PRUNE_FILTERS = ["label", "label!", "all"] as const;

/**
 * Anonymous ones alone, unless the filter `all` says otherwise; `all` is what it means when it is not there. Volumes with options
 * take no space of ours and stay. With `dryRun` it only tells what would go. An aborted prune reports what it has done.
 */
export async function pruneVolumes(
  deps: VolumeVerbDeps,
  request: { readonly filters: Filters; readonly all: boolean; readonly dryRun: boolean },
  signal: AbortSignal,
): Promise<VolumePruneReport> {
  const { volumes, events } = deps;
  const all = allFilter(request.filters.get("all") ?? []) ?? request.all;
  const matches = pruneFilter(request.filters);
  const users = volumes.users();
  const deleted: string[] = [];
  let bytes = 0;
  for (const volume of volumesByName(volumes)) {
    if (signal.aborted) break;
    const { name, createdNs, labels } = volume;
    if (users.has(name) || !(all || isAnonymous(volume)) || !matches({ createdNs, labels: labels ?? {} }))
      continue;
    const size = await volumes.usage(volume, signal);
    if (size === undefined) continue;
    try {
      if (!request.dryRun) {
        await volumes.remove(name);
        announceVolume(events, volume, "destroy");
      }
      deleted.push(name);
      bytes += size;
    } catch (error) {
      if (!isCategory(error, "conflict") && !isCategory(error, "not_found")) throw error; // somebody was faster
    }
  }
  if (!request.dryRun) announcePrune(events, "volume", bytes);
  return { VolumesDeleted: deleted, SpaceReclaimed: bytes };
}

function allFilter(values: readonly string[]): boolean | undefined {
  const [value] = values;
  if (value === undefined) return undefined;
  if (values.length === 1 && /^(1|t|true)$/i.test(value)) return true;
  if (values.length === 1 && /^(0|f|false)$/i.test(value)) return false;
  throw fail("invalid_argument", `invalid filter 'all=[${values.join(" ")}]'`);
}
