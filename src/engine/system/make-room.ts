/**
 * A full disk, met by something that comes in: what may go at the next interval goes now. Garbage always, images as far as
 * the policy of daemon.json gives them up.
 */
import { withDeadline } from "../../base/deadline.ts";
import type { Room } from "../../base/disk-full.ts";
import { messageOf } from "../../base/errors.ts";
import type { GarbagePolicy } from "../../core/gc/image-policy.ts";
import type { Snapshotter } from "../../core/snapshots/snapshotter.ts";
import { type ExpireDeps, expireImages } from "../images/expire.ts";

export interface MakeRoomDeps extends Omit<ExpireDeps, "snapshots"> {
  readonly snapshots: ExpireDeps["snapshots"] & Pick<Snapshotter, "settled">;
}

/** Who waits for room has a client who waits, too. */
const MAKE_ROOM_MS = 60_000;

/** Whether something went: its room is there when this resolves. Never rejects. */
export async function makeRoom(
  deps: MakeRoomDeps,
  policy: GarbagePolicy,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const { removedLayers, removedBlobs, removedPartials } = await deps.images.collect();
    const gone = removedLayers.length + removedBlobs.length + removedPartials.length;
    const { remove } =
      policy.images === undefined ? { remove: [] } : await expireImages(deps, policy.images, signal);
    deps.log.warn("the disk is full, collected what may go", { garbage: gone, images: remove.length });
    // Layers are gone at once, their files in the background.
    await deps.snapshots.settled();
    return gone + remove.length > 0;
  } catch (error) {
    deps.log.error("the disk is full, cannot make room", { error: messageOf(error) });
    return false;
  }
}

/** Who comes while room is made waits for the same. */
export function sharedRoom(make: (signal: AbortSignal) => Promise<boolean>): Room {
  let running: Promise<boolean> | undefined;
  let times = 0;
  const makeOnce = async (): Promise<boolean> => {
    const late = new AbortController();
    try {
      const isMade = await withDeadline("room on the full disk", MAKE_ROOM_MS, make(late.signal));
      if (isMade) times++;
      return isMade;
    } catch (error) {
      late.abort(error);
      return false;
    } finally {
      running = undefined;
    }
  };
  return {
    get times() {
      return times;
    },
    make: async (seen) => (await (running ??= makeOnce())) || times > seen,
  };
}
