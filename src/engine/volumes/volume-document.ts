/** A volume as the API shows it. Pure. */
import type { Volume } from "../../core/volumes/volumes.ts";
import type { VolumeDocument } from "../../specs/engine/volume.ts";
import { formatTime } from "../containers/timestamp.ts";
import { sortedMap } from "../networks/sorted-map.ts";

export function volumeDocument(volume: Volume): VolumeDocument {
  return {
    // To the second, as Docker has it.
    CreatedAt: formatTime((volume.createdNs / 1_000_000_000n) * 1_000_000_000n),
    Driver: volume.driver,
    Labels: sorted(volume.labels),
    Mountpoint: volume.mountpoint,
    Name: volume.name,
    Options: sorted(volume.options),
    Scope: "local",
  };
}

function sorted(map: Readonly<Record<string, string>> | null): Readonly<Record<string, string>> | null {
  return map && sortedMap(Object.entries(map));
}
