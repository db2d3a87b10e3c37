import { NO_LOG } from "../../../base/log.ts";
import type { Native } from "../../../linux/native.ts";
import { openErofsSnapshots } from "../erofs.ts";
import { openOverlaySnapshots } from "../overlay.ts";
import type { Snapshotter } from "../snapshotter.ts";
import { openVfsSnapshots } from "../vfs.ts";

export async function openDriver(name: string, root: string, native: Native): Promise<Snapshotter> {
  if (name === "overlay2") return openOverlaySnapshots(root, native, NO_LOG);
  if (name === "vfs") return openVfsSnapshots(root, native, NO_LOG);
  if (name === "erofs") return await openErofsSnapshots(root, native, NO_LOG);
  throw new Error(`no driver "${name}" here`);
}
