/** Layers are on the disk as they were committed; those that are not are unpacked again, unless a container has them. */
import { fail, isCategory, messageOf } from "../../base/errors.ts";
import { snapshotsOf } from "../containers/mounted-images.ts";
import { countsAsRunning } from "../containers/state.ts";
import { type CheckDeps, type CheckRequest, type Finding, found, progress } from "./finding.ts";

export async function* checkLayers(
  deps: CheckDeps,
  request: CheckRequest,
  signal: AbortSignal,
): AsyncGenerator<Finding> {
  const { images, snapshots } = deps;
  const { care } = snapshots;
  const layers = snapshots.layers();
  for (const [index, { chainId }] of layers.entries()) {
    yield progress(index, layers.length);
    const detail =
      (await care.check(chainId, signal)) ??
      (request.deep ? await compared(deps, chainId, signal) : undefined);
    if (detail === undefined) continue;
    const users = images.care.usersOf(chainId);
    yield await found(
      request,
      { kind: "damaged-layer", subject: chainId, detail, images: users },
      async () => {
        refuseMounted(deps, chainId);
        await images.care.rebuildLayer(chainId, signal);
      },
    );
  }
  for (const path of care.strangers())
    yield await found(
      request,
      { kind: "foreign-file", subject: path, detail: "it lies among the layers and is none", images: [] },
      () => Promise.resolve(care.discardStranger(path)),
    );
}

/** A layer whose blob is damaged has nothing to be compared with; when that was mended, it has no blob. */
async function compared(
  { images }: CheckDeps,
  chainId: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    return await images.care.compareLayer(chainId, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!isCategory(error, "internal") && !isCategory(error, "invalid_argument")) throw error;
    return `it cannot be compared with its blob: ${messageOf(error)}`;
  }
}

function refuseMounted({ containers, snapshots }: CheckDeps, chainId: string): void {
  const parents = new Map(snapshots.layers().map((layer) => [layer.chainId, layer.parent]));
  const tops = new Map(snapshots.active().map(({ id, parent }) => [id, parent]));
  for (const container of containers()) {
    if (!countsAsRunning(container.state.status)) continue;
    for (const snapshot of snapshotsOf(container))
      for (let at = tops.get(snapshot); at !== undefined; at = parents.get(at))
        if (at === chainId)
          throw fail(
            "conflict",
            `container ${container.id.slice(0, 12)} runs on it: stop it and repair again`,
          );
  }
}
