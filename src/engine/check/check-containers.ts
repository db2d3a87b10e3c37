/** Containers have their writable layers, and these stand on something; nothing else has one. */
import { snapshotsOf } from "../containers/mounted-images.ts";
import { type CheckDeps, type CheckRequest, type Finding, found, progress } from "./finding.ts";

export async function* checkContainers(
  { containers, snapshots }: CheckDeps,
  request: CheckRequest,
): AsyncGenerator<Finding> {
  const known = (): ReadonlySet<string> => new Set([...containers()].flatMap(snapshotsOf));
  const before = snapshots.active().filter(({ id }) => !known().has(id));
  // A container gets its row right after its snapshot: what is still without one after a turn of the loop has none.
  await new Promise((resolve) => setImmediate(resolve));
  for (const { id } of before) {
    if (known().has(id) || !snapshots.active().some((snapshot) => snapshot.id === id)) continue;
    yield await found(
      request,
      {
        kind: "orphan-snapshot",
        subject: id,
        detail: "there is no container that it belongs to",
        images: [],
      },
      () => snapshots.remove(id),
    );
  }
  const active = new Map(snapshots.active().map(({ id, parent }) => [id, parent]));
  const all = [...containers()];
  for (const [index, { id, record, state }] of all.entries()) {
    yield progress(index, all.length);
    if (state.status === "removing") continue;
    const parent = active.get(id);
    const detail = !active.has(id)
      ? "its writable layer is missing"
      : parent !== undefined && !snapshots.hasLayer(parent)
        ? `layer "${parent}" below it is missing`
        : undefined;
    if (detail === undefined) continue;
    const advice = active.has(id)
      ? "get its image again: what it wrote is still there"
      : "remove the container: what it wrote is lost";
    yield await found(
      request,
      { kind: "missing-snapshot", subject: id, detail, images: [record.imageId], advice },
      undefined,
    );
  }
}
