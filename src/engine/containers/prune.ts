/** POST /containers/prune: removes what does not run. */
import { isCategory } from "../../base/errors.ts";
import type { Filters } from "../../specs/engine/container.ts";
import { parseTime } from "../system/time-filter.ts";
import type { Container } from "./container.ts";
import { type InspectDeps, sizeOf } from "./inspect.ts";
import { matchesLabel } from "./list-filters.ts";
import { type RemoveDeps, remove } from "./remove.ts";
import { countsAsRunning } from "./state.ts";
import { nowNs } from "./timestamp.ts";

export const PRUNE_FILTERS = ["label", "label!", "until"] as const;

export interface PruneReport {
  readonly ContainersDeleted: readonly string[] | null;
  readonly SpaceReclaimed: number;
}

export async function prune(
  deps: RemoveDeps & Pick<InspectDeps, "images" | "snapshots">,
  filters: Filters,
  signal: AbortSignal,
): Promise<PruneReport> {
  const matches = pruneFilter(filters);
  const deleted: string[] = [];
  let bytes = 0;
  for (const container of deps.store.all()) {
    if (signal.aborted) break;
    if (countsAsRunning(container.state.status) || container.state.status === "removing") continue;
    if (!matches({ createdNs: container.record.createdNs, labels: container.config.Labels ?? {} })) continue;
    const { rw } = await sizeOf(deps, container, signal);
    if (await removed(deps, container)) {
      deleted.push(container.id);
      bytes += rw;
    }
  }
  return { ContainersDeleted: deleted.length === 0 ? null : deleted, SpaceReclaimed: bytes };
}

/** False when somebody started or removed it in the meantime. */
async function removed(deps: RemoveDeps, container: Container): Promise<boolean> {
  try {
    await remove(deps, container, { force: false });
    return true;
  } catch (error) {
    if (isCategory(error, "conflict")) return false;
    throw error;
  }
}

/** The test of `until`, `label` and `label!`. Throws `invalid_argument`. */
export function pruneFilter(
  filters: Filters,
): (thing: { readonly createdNs: bigint; readonly labels: Readonly<Record<string, string>> }) => boolean {
  const now = nowNs();
  const limits = (filters.get("until") ?? []).map((text) => parseTime(text, now));
  const wanted = filters.get("label") ?? [];
  const unwanted = filters.get("label!") ?? [];
  return ({ createdNs, labels }) =>
    limits.every((limit) => createdNs < limit) &&
    wanted.every((label) => matchesLabel(labels, label)) &&
    !unwanted.some((label) => matchesLabel(labels, label));
}
