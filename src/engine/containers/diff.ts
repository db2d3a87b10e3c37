/** GET /containers/{id}/changes. */
import { fail } from "../../base/errors.ts";
import type { Snapshotter } from "../../core/snapshots/snapshotter.ts";
import type { TreeChange } from "../../linux/native.ts";
import type { FilesystemChange } from "../../specs/engine/container.ts";
import type { Container } from "./container.ts";
import { MOUNTPOINTS } from "./mountpoints.ts";

export interface DiffDeps {
  readonly snapshots: Pick<Snapshotter, "changes">;
}

/** Docker's numbers. */
const KINDS: Readonly<Record<TreeChange["kind"], FilesystemChange["Kind"]>> = {
  changed: 0,
  added: 1,
  deleted: 2,
};

/** The answer is one document: this is what it may hold. */
const MAX_CHANGES = 2_000_000;

/** null when nothing was changed, as with Docker. */
export async function diff(
  deps: DiffDeps,
  container: Container,
  signal: AbortSignal,
): Promise<readonly FilesystemChange[] | null> {
  const changes = await collectChanges(deps.snapshots.changes(container.id, MOUNTPOINTS, signal));
  return changes.length === 0 ? null : changes;
}

export async function collectChanges(
  source: AsyncIterable<TreeChange>,
): Promise<readonly FilesystemChange[]> {
  const changes: FilesystemChange[] = [];
  for await (const { path, kind } of source) {
    if (changes.length === MAX_CHANGES)
      throw fail("invalid_argument", `there are more than ${MAX_CHANGES} changes`);
    changes.push({ Path: path, Kind: KINDS[kind] });
  }
  return changes;
}
