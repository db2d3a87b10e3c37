/** Events of images. */
import type { EventSink } from "../containers/announce.ts";
import { nowNs } from "../containers/timestamp.ts";

export function announceImage(events: EventSink, id: string, action: string, name: string): void {
  const timeNano = nowNs();
  events.publish({
    status: action,
    id,
    Type: "image",
    Action: action,
    Actor: { ID: id, Attributes: { name } },
    scope: "local",
    time: Number(timeNano / 1_000_000_000n),
    timeNano,
  });
}
