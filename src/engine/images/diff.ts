/** GET /images/{name}/changes: how the trees of two images differ, or what an image's topmost layer did. Not one of Docker's. */
import type { Images } from "../../core/images/images.ts";
import type { Leases } from "../../core/metadata/leases.ts";
import type { Snapshotter } from "../../core/snapshots/snapshotter.ts";
import type { FilesystemChange } from "../../specs/engine/container.ts";
import { collectChanges } from "../containers/diff.ts";

export interface ImageDiffDeps {
  readonly images: Pick<Images, "resolve" | "unpack">;
  readonly snapshots: Pick<Snapshotter, "compare">;
  readonly leases: Leases;
}

/** From `base` to `name`; "" = from what is below the topmost layer. */
export async function diffImages(
  deps: ImageDiffDeps,
  request: { readonly name: string; readonly base: string },
  signal: AbortSignal,
): Promise<readonly FilesystemChange[]> {
  const image = deps.images.resolve(request.name);
  const base = request.base === "" ? undefined : deps.images.resolve(request.base);
  const now = image.layers.at(-1)?.chainId;
  const before = base === undefined ? image.layers.at(-2)?.chainId : base.layers.at(-1)?.chainId;
  await using lease = deps.leases.acquire("image diff");
  for (const chainId of [now, before]) if (chainId !== undefined) lease.holdLayer(chainId);
  for (const each of [image, base]) if (each !== undefined) await deps.images.unpack(each, signal);
  return await collectChanges(deps.snapshots.compare(now, before, signal));
}
