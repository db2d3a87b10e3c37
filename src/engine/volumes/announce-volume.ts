/** Events of volumes. */
import type { Volume } from "../../core/volumes/volumes.ts";
import type { EventSink } from "../containers/announce.ts";
import { nowNs } from "../containers/timestamp.ts";
import { sortedMap } from "../networks/sorted-map.ts";

export type VolumeAction = "create" | "mount" | "unmount" | "destroy";

export function announceVolume(
  events: EventSink,
  { name, driver }: Volume,
  action: VolumeAction,
  attributes: Readonly<Record<string, string>> = {},
): void {
  const timeNano = nowNs();
  events.publish({
    Type: "volume",
    Action: action,
    Actor: { ID: name, Attributes: sortedMap(Object.entries({ ...attributes, driver })) },
    scope: "local",
    time: Number(timeNano / 1_000_000_000n),
    timeNano,
  });
}
