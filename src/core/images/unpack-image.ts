/**
 * Unpacking an image's layers when they are wanted and not there: another storage driver had them, or somebody deleted them.
 * The blobs are the image; what is unpacked of it can be made again.
 */
import { isDiskFull, type Room, withRoom } from "../../base/disk-full.ts";
import { fail, messageOf } from "../../base/errors.ts";
import type { Content } from "../content/content.ts";
import type { Leases } from "../metadata/leases.ts";
import type { Snapshotter } from "../snapshots/snapshotter.ts";
import { Expansion, type ExpansionLimits } from "../unpack/expansion.ts";
import { applyStoredLayer } from "../unpack/layer.ts";
import type { Image } from "./images.ts";
import { cannotMake } from "./making.ts";

export interface UnpackDeps {
  readonly content: Content;
  readonly snapshots: Snapshotter;
  readonly leases: Leases;
  readonly expansion: ExpansionLimits;
  readonly room?: Room | undefined;
}

export function isUnpacked(
  { snapshots }: Pick<UnpackDeps, "snapshots">,
  { layers }: Pick<Image, "layers">,
): boolean {
  return layers.every(({ chainId }) => snapshots.hasLayer(chainId));
}

/** Base first; who comes while it is done waits for each layer. `unavailable` when a blob is not what it was. */
export async function unpackImage(deps: UnpackDeps, image: Image, signal: AbortSignal): Promise<void> {
  const { content, snapshots, leases, expansion, room } = deps;
  await using lease = leases.acquire(`unpacking of image ${image.id}`);
  for (const { chainId, blob } of image.layers) {
    lease.holdLayer(chainId);
    lease.holdBlob(blob);
  }
  let parent: string | undefined;
  try {
    for (const layer of image.layers) {
      signal.throwIfAborted();
      const below = parent;
      await withRoom(room, () =>
        snapshots.createLayer(layer.chainId, below, (staged) =>
          applyStoredLayer(content, layer, { staged, expansion: new Expansion(expansion) }, signal),
        ),
      );
      parent = layer.chainId;
    }
  } catch (error) {
    if (signal.aborted) throw error;
    if (isDiskFull(error)) throw cannotMake("unpack the image", error);
    throw fail("unavailable", `cannot unpack the image, load or pull it again: ${messageOf(error)}`, error);
  }
}
