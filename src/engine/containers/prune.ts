/** POST /containers/prune: removes what does not run. */
import { isCategory } from "../../base/errors.ts";
import type { Filters } from "../../specs/engine/container.ts";
import { announcePrune } from "../system/announce-prune.ts";
import { pruneFilter } from "../system/prune-filter.ts";
import type { Container } from "./container.ts";
import { type InspectDeps, sizeOf } from "./inspect.ts";
import { type RemoveDeps, remove } from "./remove.ts";
import { countsAsRunning } from "./state.ts";

export const PRUNE_FILTERS = ["label", "label!", "until"] as const;

export interface PruneReport {
  readonly ContainersDeleted: readonly string[] | null;
  readonly SpaceReclaimed: number;
}

/** With `dryRun` it only tells what would go. An aborted prune reports what it has done. */
export async function prune(
  deps: RemoveDeps & Pick<InspectDeps, "images" | "snapshots">,
  request: { readonly filters: Filters; readonly dryRun: boolean },
  signal: AbortSignal,
): Promise<PruneReport> {
  const goes = prunableContainer(request.filters);
  const deleted: string[] = [];
  let bytes = 0;
  for (const container of deps.store.all()) {
    if (signal.aborted) break;
    if (!goes(container)) continue;
    const { rw } = await sizeOf(deps, container, signal);
    if (request.dryRun || (await removed(deps, container))) {
      deleted.push(container.id);
      bytes += rw;
    }
  }
  if (!request.dryRun) announcePrune(deps.events, "container", bytes);
  return { ContainersDeleted: deleted.length === 0 ? null : deleted, SpaceReclaimed: bytes };
}

/** Throws `invalid_argument` for a filter that is none. */
export function prunableContainer(filters: Filters): (container: Container) => boolean {
  const matches = pruneFilter(filters);
  return ({ state, record, config }) =>
    !countsAsRunning(state.status) &&
    state.status !== "removing" &&
    matches({ createdNs: record.createdNs, labels: config.Labels ?? {} });
}

/** False when somebody started or removed it in the meantime. */
async function removed(deps: RemoveDeps, container: Container): Promise<boolean> {
  try {
    await remove(deps, container, { force: false, volumes: false });
    return true;
  } catch (error) {
    if (isCategory(error, "conflict")) return false;
    throw error;
  }
}
